using Rosetta.Testing.Equality;
using Rosetta.Testing.Workloads;
using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>
/// A workload on an installation's source, with what must hold all the time watched meanwhile: the accounts' sum at every destination,
/// counters that never go back, a slot that is never ahead of what is durable, and a source whose application never waits for us.
/// </summary>
public sealed class Followed : IAsyncDisposable
{
    readonly Installation _installation;
    readonly List<InvariantWatcher> _watchers = [];
    readonly SourceWatcher _source;
    SlotWatcher? _slot;

    Followed(Installation installation, MixedWorkload workload)
    {
        _installation = installation;
        Workload = workload;
        _source = SourceWatcher.Start(installation.SourceConnection);
    }

    public MixedWorkload Workload { get; }

    /// <summary>What the source had to bear.</summary>
    public SourceWatcher Source => _source;

    /// <param name="adapt">Changes the workload's options.</param>
    public static async Task<Followed> StartAsync(
        Installation installation, int changesPerSecond, Func<MixedWorkloadOptions, MixedWorkloadOptions>? adapt = null)
    {
        var options = new MixedWorkloadOptions { ConnectionString = installation.SourceConnection, ChangesPerSecond = changesPerSecond };
        var workload = await MixedWorkload.CreateAsync(adapt?.Invoke(options) ?? options);
        workload.Start();
        return new Followed(installation, workload);
    }

    /// <summary>Watches sums and counters at every destination from now on; call it once their copies are complete.</summary>
    public void Watch()
    {
        for (var i = 0; i < _installation.Targets.Count; i++)
            _watchers.Add(InvariantWatcher.Start(new InvariantWatcherOptions { ConnectionString = _installation.TargetConnection(i) }));
    }

    /// <summary>
    /// Watches that the slot is never ahead of what is durable: each destination's stored position, or, when that has what the
    /// acknowledgement rested on, the acknowledged position (a destination with nothing outstanding does not hold the slot).
    /// </summary>
    public void WatchSlot(int pipelineId, IReadOnlyList<int> destinationIds)
    {
        _slot = SlotWatcher.Start(_installation.SourceConnection, $"rosetta_p{pipelineId}");
        for (var i = 0; i < destinationIds.Count; i++)
        {
            var (target, destination) = (i, destinationIds[i]);
            _slot.Watch($"target {i + 1}", cancellationToken => UnlessAway(async () =>
            {
                var record = await _installation.Config.RowsAsync(
                    $"""
                    SELECT s.acknowledged_lsn::text, r.rested_on::text FROM slot_records s
                    LEFT JOIN slot_rested_on r ON r.pipeline_id = s.pipeline_id AND r.destination_id = {destination} WHERE s.pipeline_id = {pipelineId}
                    """,
                    "rosetta", cancellationToken);
                var stored = await _installation.Targets[target].ScalarAsync<string>(
                    "SELECT position::text FROM rosetta.position ORDER BY updated_at DESC LIMIT 1", Installation.Database, cancellationToken);
                if (stored is null)
                    return null;
                var position = Installation.Lsn(stored);
                return record.Count > 0 && record[0][0] is string acknowledged && record[0][1] is string restedOn && position >= Installation.Lsn(restedOn)
                    ? Math.Max(position, Installation.Lsn(acknowledged))
                    : position;
            }));
        }
    }

    /// <summary>Null, unknown for now, while a server is away.</summary>
    static async Task<ulong?> UnlessAway(Func<Task<ulong?>> read)
    {
        try
        {
            return await read();
        }
        catch (Npgsql.NpgsqlException)
        {
            return null;
        }
    }

    /// <summary>Stops the workload, waits until all has arrived, and compares every table of every destination byte for byte.</summary>
    public Task AssertEqualAsync(Rosetta.Client.ApiClient api, int pipelineId, TimeSpan? deadline = null) => AssertEqualAsync(api, [pipelineId], deadline);

    /// <inheritdoc cref="AssertEqualAsync(Rosetta.Client.ApiClient, int, TimeSpan?)"/>
    public async Task AssertEqualAsync(Rosetta.Client.ApiClient api, IReadOnlyList<int> pipelineIds, TimeSpan? deadline = null)
    {
        await Workload.StopAsync();
        foreach (var pipelineId in pipelineIds)
            await _installation.WaitUntilCaughtUpAsync(api, pipelineId, deadline);
        for (var i = 0; i < _installation.Targets.Count; i++)
        {
            var result = await DatabaseComparison.CompareAsync(_installation.SourceConnection, _installation.TargetConnection(i), Workload.Tables);
            Assert.True(result.Equal, $"target {i + 1}, seed {Workload.Seed}:\n{result}");
        }

        foreach (var watcher in _watchers)
        {
            var report = await watcher.StopAsync();
            Assert.True(report.ViolationCount == 0, report.ToString());
            Assert.True(watcher.SumsSeen > 0, "The watcher never saw the accounts.");
        }

        var burden = await _source.StopAsync();
        Assert.True(burden.ViolationCount == 0, burden.ToString());
        Assert.True(burden.Polls > 0, burden.ToString());
        if (_slot is not null)
        {
            var report = await _slot.StopAsync();
            Assert.True(report.ViolationCount == 0, report.ToString());
            Assert.True(report.Polls > 0, report.ToString());
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var watcher in _watchers)
            await watcher.DisposeAsync();
        await _source.DisposeAsync();
        if (_slot is not null)
            await _slot.DisposeAsync();
        await Workload.DisposeAsync();
    }
}
