using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Replication;
using Rosetta.Core.Tables;
using Rosetta.Store.Requests;

namespace Rosetta.Actors.Pipelines;

/// <content>Requests: refresh, resync of a table, resync of the pipeline. They stay open in the config database until they are done.</content>
public sealed partial class PipelineActor
{
    readonly Dictionary<long, PipelineRequest> _open = [];
    readonly Dictionary<long, string> _failures = [];
    readonly List<long> _refreshed = [];
    IReadOnlyList<long> _beingReported = [];

    void LookForRequests()
    {
        if (_phase != Phase.Running)
            return;
        var generation = _generation;
        LookAsync().PipeTo(Self, failure: e => new RequestsFound(generation, []));

        async Task<RequestsFound> LookAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            return new RequestsFound(generation, await _services.Requests.OpenAsync(_id, limit.Token).ConfigureAwait(false));
        }
    }

    /// <summary>A resync of the pipeline begins before anything runs: new generations, so that old positions and states no longer count.</summary>
    /// <returns>True when one began; one that an earlier incarnation began goes on.</returns>
    async Task<bool> BeginResyncsAsync(ImmutableArray<PipelineRequest> requests, long epoch, CancellationToken cancellationToken)
    {
        var any = false;
        foreach (var request in requests.Where(r => r.Kind == PipelineRequestKind.Resync))
        {
            var state = await _services.Requests.FindStateAsync(request.Id, cancellationToken).ConfigureAwait(false);
            if (state?.State != "PENDING")
                continue;
            any = true;
            await _services.PipelineDestinations
                .RenewGenerationsAsync(_id, epoch, request.DestinationIds is { } ids ? [.. ids] : null, cancellationToken).ConfigureAwait(false);
            await _services.Requests.BeginAsync(request, epoch, cancellationToken).ConfigureAwait(false);
        }

        return any;
    }

    /// <summary>The slot was lost again in the middle of a resync: as if it had only been asked for.</summary>
    void BeginResyncsAnew()
    {
        if (_phase != Phase.Running || _run is not { } run)
            return;
        var resyncs = _open.Values.Where(r => r.Kind == PipelineRequestKind.Resync).ToList();
        ReopenAsync().PipeTo(Self, failure: e => new ResyncsReopened(run.Epoch, e));

        async Task<ResyncsReopened> ReopenAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            foreach (var resync in resyncs)
                await _services.Requests.ReopenAsync(resync, run.Epoch, limit.Token).ConfigureAwait(false);
            return new ResyncsReopened(run.Epoch, null);
        }
    }

    void OnResyncsReopened(ResyncsReopened reopened)
    {
        if (_phase != Phase.Running || _run?.Epoch != reopened.Epoch)
            return;
        if (reopened.Error is null)
        {
            StopThen(After.Load);
            return;
        }

        _log.Warning("Pipeline {Pipeline}: its resync could not be begun anew yet: {Reason}", _id, reopened.Error.Message);
        Timers.StartSingleTimer("reopen", ReplicationActor.ResyncCut.Instance, TimeSpan.FromSeconds(2));
    }

    void OnRequests(RequestsFound found)
    {
        if (found.Generation != _generation || _phase != Phase.Running || _run is not { } run)
            return;
        var replan = false;
        foreach (var request in found.Requests.Where(r => !_open.ContainsKey(r.Id)))
        {
            if (request.Kind == PipelineRequestKind.Resync && _destinations.Count > 0)
            {
                // It came while we run: everything starts anew, under new generations.
                StopThen(After.Load);
                return;
            }

            _open[request.Id] = request;
            var destinations = run.Definition.Destinations.Select(d => d.Destination.Id).Where(id => request.DestinationIds?.Contains(id) ?? true).ToList();
            replan = true;
            switch (request.Kind)
            {
                case PipelineRequestKind.Resync:
                    foreach (var destination in destinations)
                        run.Orders.OrderWhole(destination, request.Id);
                    break;
                case PipelineRequestKind.ResyncTable when TableName.TryParse(request.TableName, out var table):
                    foreach (var destination in destinations)
                        run.Orders.OrderTable(destination, table, request.Id);
                    break;
                case PipelineRequestKind.Refresh:
                    run.Refreshes.Order(request.Id);
                    break;
                default:
                    FinishRequest(request.Id, $"'{request.TableName}' is not the name of a table.");
                    break;
            }
        }

        if (replan)
            _replication!.Tell(ReplicationActor.Replan.Instance);
    }

    void ForgetRequests()
    {
        _open.Clear();
        _failures.Clear();
        _refreshed.Clear();
        _beingReported = [];
    }

    /// <summary>The catalog was read again: done when what was found has been reported, so that the one who asked sees it.</summary>
    void OnRefreshed(Refreshed refreshed)
    {
        if (_run?.Epoch != refreshed.Epoch)
            return;
        _refreshed.AddRange(refreshed.Requests);
        Report();
    }

    void FinishRefreshes(bool reported)
    {
        if (reported)
        {
            foreach (var id in _beingReported)
                FinishRequest(id, null);
        }
        else
            _refreshed.AddRange(_beingReported);
        _beingReported = [];
        // Those that came while the report was on its way wait for one of their own.
        if (reported && _refreshed.Count > 0)
            Report();
    }

    void OnTableOrderDone(TableOrderDone done)
    {
        if (_run is not { } run || run.Epoch != done.Epoch)
            return;
        if (done.Error is not null)
            _failures[done.Order.RequestId] = $"{done.Table}: {done.Error}";
        if (!done.Order.Force)
            return;
        // One that was overtaken ended as the one that answers it.
        foreach (var requestId in run.Orders.TableDone(done.DestinationId, done.Table, done.Order.RequestId))
            FinishRequest(requestId, _failures.GetValueOrDefault(requestId) ?? _failures.GetValueOrDefault(done.Order.RequestId));
    }

    /// <summary>
    /// A pipeline's resync is done when none of its destinations' tables waits or is being copied. A destination that was given up meanwhile comes to no end of it: the resync
    /// fails, so that another one can be asked for.
    /// </summary>
    void FinishWholeResyncs()
    {
        if (_run is not { Source.Ready: true } run)
            return;
        foreach (var (requestId, destinations) in run.Orders.Whole())
        {
            var attached = destinations.Select(d => _destinations.GetValueOrDefault(d)).OfType<Attached>().ToList();
            if (attached.Any(a => !a.Lane.IsGivenUp && IsCopying(a.Status)))
                continue;
            if (attached.FirstOrDefault(a => a.Lane.IsGivenUp) is { } lost)
                _failures[requestId] = $"{lost.Definition.Destination.Name} was given up meanwhile: {lost.Status.Spill?.Extent?.Abandoned}";
            run.Orders.WholeDone(requestId);
            FinishRequest(requestId, _failures.GetValueOrDefault(requestId));
        }
    }

    static bool IsCopying(DestinationStatus status) =>
        status.Applied is null || status.Tables.Any(t => t.State is TableState.Pending or TableState.Resyncing or TableState.Snapshotting);

    void FinishRequest(long requestId, string? error)
    {
        if (_run is not { } run || !_open.TryGetValue(requestId, out var request))
            return;
        FinishAsync().PipeTo(Self, failure: e => new RequestFinished(run.Epoch, requestId, e));

        async Task<RequestFinished> FinishAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await _services.Requests.FinishAsync(request, run.Epoch, error, limit.Token).ConfigureAwait(false);
            return new RequestFinished(run.Epoch, requestId, null);
        }
    }

    void OnRequestFinished(RequestFinished finished)
    {
        // Not written: it stays open there, and a later look finds it again and closes it.
        if (finished.Error is not null)
            _log.Warning("Pipeline {Pipeline}: request {Request} could not be closed: {Reason}", _id, finished.RequestId, finished.Error.Message);
        if (_run?.Epoch == finished.Epoch)
        {
            _open.Remove(finished.RequestId);
            _failures.Remove(finished.RequestId);
        }
    }
}
