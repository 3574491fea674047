using Rosetta.Cli.Views;
using Rosetta.Demo.Machine;
using Rosetta.Testing.Workloads;

namespace Rosetta.Demo.Traffic;

/// <summary>
/// What the source's users do: mixed small transactions all the time (inserts, updates, deletes, key updates, a wide table, a table
/// without key), and now and then a large one.
/// </summary>
sealed class DemoTraffic : IAsyncDisposable
{
    const int Writers = 2;
    const int Rows = 2_000;

    static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(200);

    readonly MixedWorkload _workload;
    readonly ImportTable _import;

    DemoTraffic(MixedWorkload workload, ImportTable import)
    {
        _workload = workload;
        _import = import;
    }

    /// <summary>What was committed so far.</summary>
    public string Account
    {
        get
        {
            var counts = _workload.Counts;
            return $"{Quantities.Count(counts.Changes + _import.Changes)} changes in {Quantities.Count(counts.Transactions + _import.Transactions)} transactions";
        }
    }

    /// <summary>Makes the source's tables with their first rows; nothing runs yet.</summary>
    public static async Task<DemoTraffic> CreateAsync(
        DemoDatabase source, DemoOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var workload = await MixedWorkload.CreateAsync(
            new MixedWorkloadOptions
            {
                ConnectionString = source.ConnectionString,
                Schema = ImportTable.Schema,
                Seed = options.Seed,
                ChangesPerSecond = options.Rate,
                Writers = Writers,
                Rows = Rows
            },
            cancellationToken);
        var import = await ImportTable.CreateAsync(source, cancellationToken);
        await RefundTable.CreateAsync(source, cancellationToken);
        await source.GiveTablesAsync(cancellationToken);
        journal.Say(
            $"source has {workload.Tables.Count + 2} tables, the largest with {Quantities.Count(import.Changes)} rows; "
                + $"traffic: {options.Rate} changes/s from {Writers} connections, seed {options.Seed}");
        return new DemoTraffic(workload, import);
    }

    public void Start() => _workload.Start();

    /// <summary>Lets it run so long; fails at once when it fails.</summary>
    public async Task RunForAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Glance);
        for (var left = time; left > TimeSpan.Zero; left -= Glance)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            // Throws what the traffic failed with.
            if (!_workload.IsRunning)
                await _workload.StopAsync();
        }
    }

    /// <summary>One transaction: a new import of so many rows, an update of many, and the import before last goes.</summary>
    public Task LargeTransactionAsync(int rows, CancellationToken cancellationToken) => _import.RunAsync(rows, cancellationToken);

    public Task StopAsync() => _workload.StopAsync();

    public ValueTask DisposeAsync() => _workload.DisposeAsync();
}
