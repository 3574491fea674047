using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Rosetta.Testing.Workloads.Tables;

namespace Rosetta.Testing.Workloads;

/// <summary>
/// Random mixed traffic on nine tables (<see cref="WorkloadTables"/>), paced, from one or several connections: inserts, updates,
/// deletes, key updates and swaps, unchanged long values, transfers, counters, rolled-back parts, optionally TRUNCATE and large
/// transactions. It lives through every failure of server and network.
/// </summary>
/// <remarks>
/// The statements depend on the seed only. With one writer and no failure the tables' content after n transactions does too; with
/// several writers or after failures it does not.
/// </remarks>
public sealed class MixedWorkload : IAsyncDisposable
{
    readonly MixedWorkloadOptions _options;
    readonly WorkloadWriter[] _writers;
    CancellationTokenSource? _stop;
    Task _running = Task.CompletedTask;

    MixedWorkload(MixedWorkloadOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Writers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Rows, 10);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LargeTransactionEvery, 1);
        _options = options;
        ChangesPerSecond = options.ChangesPerSecond;
        Seed = options.Seed ?? Random.Shared.Next();
        Tables = [.. WorkloadSchema.Tables(options).Select(t => TablePair.Same(options.Schema, t.Table))];
        _writers = [.. Enumerable.Range(0, options.Writers).Select(i => new WorkloadWriter(Seed + i, options, RatePerWriter))];
        options.Log?.Invoke($"workload: seed {Seed}, {options.Writers} writers, {options.ChangesPerSecond?.ToString(null, null) ?? "unlimited"} changes/s");
    }

    public int Seed { get; }

    /// <summary>All its tables, for the comparison.</summary>
    public IReadOnlyList<TablePair> Tables { get; }

    /// <summary>The sum of all balances, now and for ever.</summary>
    public static long AccountsTotal => (long)AccountsTraffic.Accounts * AccountsTraffic.FirstBalance;

    /// <summary>The wanted rate; null: unlimited.</summary>
    public int? ChangesPerSecond { get; set; }

    /// <summary>True from <see cref="Start"/> until all writers have stopped, be it because one failed.</summary>
    public bool IsRunning => !_running.IsCompleted;

    /// <summary>What was done up to now.</summary>
    public WorkloadCounts Counts => _writers.Aggregate(WorkloadCounts.None, (sum, w) => sum + w.Counts);

    /// <summary>Creates the tables with their first rows.</summary>
    public static async Task<MixedWorkload> CreateAsync(MixedWorkloadOptions options, CancellationToken cancellationToken = default)
    {
        var workload = new MixedWorkload(options);
        await WorkloadSchema.CreateAndSeedAsync(options, cancellationToken);
        return workload;
    }

    /// <summary>Traffic on tables that are there already.</summary>
    public static MixedWorkload Attach(MixedWorkloadOptions options) => new(options);

    /// <summary>Starts writing in the background; after <see cref="StopAsync"/> it goes on where it was.</summary>
    public void Start() => Begin(long.MaxValue);

    /// <summary>Waits until the running workload has committed so many more changes.</summary>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    /// <exception cref="Npgsql.PostgresException">The workload has failed.</exception>
    public async Task WaitForChangesAsync(long changes, TimeSpan? deadline = null, CancellationToken cancellationToken = default)
    {
        var target = Counts.Changes + changes;
        await Wait.UntilAsync(
            () => Counts.Changes >= target || !IsRunning, $"{changes} more changes of the workload", deadline, cancellationToken);
        if (Counts.Changes >= target)
            return;
        await _running;
        throw new InvalidOperationException("The workload has stopped");
    }

    /// <summary>Writes so many transactions per writer, at the wanted rate, and returns.</summary>
    public async Task<WorkloadCounts> RunAsync(long transactions)
    {
        Begin(transactions);
        await _running;
        return await StopAsync();
    }

    /// <summary>Stops after the transactions under way.</summary>
    /// <exception cref="Npgsql.PostgresException">A statement failed in a way no outage explains; the writer had stopped there.</exception>
    public async Task<WorkloadCounts> StopAsync()
    {
        if (_stop is null)
            return Counts;
        await _stop.CancelAsync();
        try
        {
            await _running;
        }
        finally
        {
            _stop.Dispose();
            _stop = null;
        }
        _options.Log?.Invoke($"workload: {Counts}");
        return Counts;
    }

    /// <summary>Stops; an earlier failure of a writer is reported by <see cref="StopAsync"/> only.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop is not null)
            await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop?.Dispose();
        _stop = null;
    }

    void Begin(long transactions)
    {
        if (_stop is not null)
            throw new InvalidOperationException("The workload is running already");
        _stop = new CancellationTokenSource();
        var stop = _stop.Token;
        _running = Task.WhenAll(_writers.Select(w => Task.Run(() => WriteAsync(w, transactions, stop), CancellationToken.None)));
    }

    async Task WriteAsync(WorkloadWriter writer, long transactions, CancellationToken stop)
    {
        try
        {
            await writer.RunAsync(transactions, stop);
        }
        catch (Exception e)
        {
            // Half a workload would look like a whole one.
            _options.Log?.Invoke($"workload failed, all writers stop: {e.Message}");
            if (_stop is { } source)
                await source.CancelAsync();
            throw;
        }
    }

    double? RatePerWriter() => ChangesPerSecond is { } rate ? Math.Max(rate, 0.1) / _options.Writers : null;
}
