using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Destinations;
using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;
using Rosetta.Store.Requests;

namespace Rosetta.Actors.Verification;

/// <summary>
/// One comparison, child of its pipeline's entity: has every chosen table of every chosen destination compared with the source by chunks, in its place in the stream,
/// and ends when all have been. Nothing of it is kept over a node's death: it is begun anew.
/// </summary>
public sealed class VerifyActor : ReceiveActor, IWithTimers
{
    sealed record Reported(long Destination, string Table, IActorRef Lane, ChunkJobReport Report) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Saved(bool IsLast, bool Accepted, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Replaced(long Destination, string Table, string? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    enum Tick
    {
        Save,
        SaveEnd,
    }

    static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(1);
    static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    readonly VerifyRun _run;
    readonly JobHost _host;
    readonly Func<long, IReadOnlyList<TableName>?> _tables;
    readonly VerifyRunRepository _runs;
    readonly PipelineRequestRepository _requests;
    readonly int _chunkRows;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly CancellationTokenSource _enough = new();
    readonly Dictionary<(long, string), IActorRef> _given = [];
    readonly Dictionary<long, List<string>> _wanted = [];
    readonly HashSet<(long, string)> _replacing = [];
    readonly VerifyTally _tally;
    IReadOnlyDictionary<long, IActorRef?> _lanes = new Dictionary<long, IActorRef?>();
    bool _begun;
    bool _ending;
    bool _saving;

    /// <param name="tables">The planned tables of a destination; null before its plan is made.</param>
    public VerifyActor(VerifyRun run, JobHost host, Func<long, IReadOnlyList<TableName>?> tables, VerifyRunRepository runs, PipelineRequestRepository requests, int chunkRows)
    {
        (_run, _host, _tables, _runs, _requests, _chunkRows) = (run, host, tables, runs, requests, chunkRows);
        _tally = new VerifyTally(run.Repair);
        Receive<JobMessages.Lanes>(lanes =>
        {
            _lanes = lanes.Destinations;
            Give();
        });
        Receive<Reported>(OnReported);
        Receive<Replaced>(replaced =>
        {
            _tally.Replaced(replaced.Destination, replaced.Table, replaced.Error);
            EndWhenAllHave();
        });
        Receive<Saved>(OnSaved);
        Receive<Tick>(OnTick);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(VerifyRun run, JobHost host, Func<long, IReadOnlyList<TableName>?> tables, VerifyRunRepository runs, PipelineRequestRepository requests,
        int chunkRows) => Akka.Actor.Props.Create(() => new VerifyActor(run, host, tables, runs, requests, chunkRows));

    protected override void PreStart()
    {
        Context.Parent.Tell(JobMessages.WhichLanes.Instance);
        Timers.StartPeriodicTimer(Tick.Save, Tick.Save, SaveInterval);
    }

    protected override void PostStop()
    {
        _enough.Cancel();
        _enough.Dispose();
    }

    /// <summary>Which tables there are shows when every destination has a plan.</summary>
    bool Begin()
    {
        var chosen = (IReadOnlyList<long>?)_run.DestinationIds ?? [.. _lanes.Keys];
        if (chosen.Any(d => _lanes.ContainsKey(d) && _tables(d) is null))
            return false;
        foreach (var destination in chosen)
        {
            var planned = _tables(destination) ?? [];
            _wanted[destination] = [.. _run.Tables is { } named ? named : planned.Select(t => t.ToString())];
            foreach (var table in _wanted[destination])
            {
                _tally.Expect(destination, table);
                if (!_lanes.ContainsKey(destination))
                    _tally.Refuse(destination, table, $"The pipeline has no destination {destination}.");
                else if (!planned.Any(t => t.ToString() == table))
                    _tally.Refuse(destination, table, $"Table {table} is not replicated to this destination.");
            }
        }

        _log.Info("Verify {Run} compares {Count} tables", _run.Id, _tally.Results.Count);
        return true;
    }

    void Give()
    {
        if (_ending || !(_begun = _begun || Begin()))
            return;
        var self = Self;
        foreach (var (destination, tables) in _wanted)
        {
            foreach (var table in tables.Where(t => !_tally.HasEnded(destination, t) && !_replacing.Contains((destination, t))))
            {
                if (!_lanes.TryGetValue(destination, out var lane))
                    _tally.Refuse(destination, table, $"The pipeline has no destination {destination}.");
                else if (lane is null)
                    _tally.Wait(destination, table, "The destination is not attached at the moment; the comparison begins when it is.");
                else if (!lane.Equals(_given.GetValueOrDefault((destination, table))))
                {
                    _given[(destination, table)] = lane;
                    _tally.Wait(destination, table, null);
                    lane.Tell(new DestinationActor.Do(new ChunkJob(
                        $"verify-{_run.Id}-{table}", TableName.Parse(table), _run.Repair ? ChunkPurpose.Repair : ChunkPurpose.Compare, null, _chunkRows,
                        r => self.Tell(new Reported(destination, table, lane, r)), _enough.Token)));
                }
            }
        }

        EndWhenAllHave();
    }

    void OnReported(Reported reported)
    {
        if (!reported.Lane.Equals(_given.GetValueOrDefault((reported.Destination, reported.Table))))
            return;
        if (_run.Repair && reported.Report is { State: ChunkJobState.Completed, Difference: not null })
        {
            // Once: its lane leaves and comes back for it.
            if (!_replacing.Add((reported.Destination, reported.Table)))
                return;
            _tally.Replaces(reported.Destination, reported.Table, reported.Report);
            ReplaceAsync(reported.Destination, reported.Table).PipeTo(Self, failure: e => new Replaced(reported.Destination, reported.Table, e.Message));
            return;
        }

        _tally.Take(reported.Destination, reported.Table, reported.Report);
        EndWhenAllHave();
    }

    /// <summary>By a resync of the table, which copies it in one snapshot and never shows it empty.</summary>
    async Task<Replaced> ReplaceAsync(long destination, string table)
    {
        var asked = await _requests.AddAsync(_host.PipelineId, PipelineRequestKind.ResyncTable, [destination], table, "verify", _enough.Token).ConfigureAwait(false);
        if (asked.Value is not { } request)
            return new Replaced(destination, table, asked.Detail ?? "the resync was refused");
        while (true)
        {
            await Task.Delay(RetryInterval, _host.Time, _enough.Token).ConfigureAwait(false);
            switch (await _requests.FindStateAsync(request.Id, _enough.Token).ConfigureAwait(false))
            {
                case { IsOpen: true }:
                    continue;
                case { State: "DONE" }:
                    return new Replaced(destination, table, null);
                case var ended:
                    return new Replaced(destination, table, ended?.Error ?? "its resync is gone");
            }
        }
    }

    void EndWhenAllHave()
    {
        if (_ending || !_tally.AllHaveEnded)
            return;
        _ending = true;
        Timers.CancelAll();
        var results = _tally.Results;
        _log.Info(
            "Verify {Run}: {Equal} of {Count} tables are equal, {Differing} rows differed, {Missing} were missing, {Extra} too many", _run.Id,
            results.Count(r => r.State == "EQUAL"), results.Count, results.Sum(r => r.Differing), results.Sum(r => r.Missing), results.Sum(r => r.Extra));
        Save(isLast: true);
    }

    void OnTick(Tick tick)
    {
        if (tick == Tick.SaveEnd)
            Save(isLast: true);
        else if (!_begun)
            Give();
        else if (!_saving)
            Save(isLast: false);
    }

    void Save(bool isLast)
    {
        _saving = true;
        var (results, status) = (_tally.Results, isLast ? "COMPLETED" : "EXECUTING");
        SendAsync().PipeTo(Self, failure: e => new Saved(isLast, true, e));

        async Task<Saved> SendAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            return new Saved(isLast, await _runs.SaveAsync(_run, status, null, results, _host.Epoch, limit.Token).ConfigureAwait(false), null);
        }
    }

    void OnSaved(Saved saved)
    {
        _saving = false;
        if (saved.Error is not null && saved.IsLast)
            Timers.StartSingleTimer(Tick.SaveEnd, Tick.SaveEnd, RetryInterval);
        else if (saved.Error is null && (saved.IsLast || !saved.Accepted))
            Context.Stop(Self);
    }
}
