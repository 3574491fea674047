using System.Collections.Concurrent;
using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>What became of one table's copy. <paramref name="Error"/>: it failed in a way that trying again does not mend.</summary>
readonly record struct CopyEnd(TableName Table, ResyncOrder? Order, string? Error);

/// <summary>Copies tables from one exported snapshot, several at once, each in a destination transaction of its own.</summary>
sealed class TableCopier(LaneContext context, IDestinationSession session, TimeProvider time)
{
    readonly ConcurrentBag<CopyEnd> _ends = [];

    /// <summary>A transient failure ends the whole run: tables already committed stay, the others are copied from a new snapshot.</summary>
    public async Task<IReadOnlyCollection<CopyEnd>> RunAsync(CopyPlan todo, DestinationPlan plan, CancellationToken cancellationToken)
    {
        var queue = new ConcurrentQueue<(PlannedTable Table, bool EmptyFirst)>(todo.Copies);
        var readers = Math.Clamp(todo.Copies.Count, 1, Math.Max(1, context.Readers));
        await using var snapshot = await context.Source.ExportSnapshotAsync(
            context.DestinationId, readers, ShowWaiting, cancellationToken).ConfigureAwait(false);
        ShowWaiting(null);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        foreach (var table in todo.Adoptions)
            await AdoptAsync(table, snapshot, cancellationToken).ConfigureAwait(false);
        var workers = snapshot.Readers.Select(r => WorkAsync(r, queue, plan, snapshot, failed)).ToList();
        await Task.WhenAll(workers).ConfigureAwait(false);
        return _ends;
    }

    async Task WorkAsync(
        ITableReader reader, ConcurrentQueue<(PlannedTable Table, bool EmptyFirst)> queue, DestinationPlan plan, ITableSnapshot snapshot,
        CancellationTokenSource failed)
    {
        while (queue.TryDequeue(out var next))
        {
            ResyncOrder? order = plan.Resync.TryGetValue(next.Table.Source, out var asked) ? asked : null;
            try
            {
                await CopyAsync(reader, next.Table, next.EmptyFirst, snapshot, failed.Token).ConfigureAwait(false);
                _ends.Add(new CopyEnd(next.Table.Source, order, null));
            }
            catch (Exception e) when (ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
            {
                var fault = ErrorPolicy.ToFault(e, $"Mend the cause, then resync the table: POST .../tables/{next.Table.Source}/resync.");
                context.Status.Change(next.Table.Source, t => t with { State = TableState.Error, Error = fault.Reason, Remedy = fault.Remedy });
                _ends.Add(new CopyEnd(next.Table.Source, order, fault.Reason));
            }
            catch
            {
                await failed.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    async Task CopyAsync(ITableReader reader, PlannedTable planned, bool emptyFirst, ITableSnapshot snapshot, CancellationToken cancellationToken)
    {
        var name = planned.Source;
        context.Status.Change(name, t => t with
        {
            State = emptyFirst ? TableState.Resyncing : TableState.Snapshotting, SnapshotRows = 0, Error = null, Remedy = planned.Remedy,
        });
        var table = await reader.DescribeAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new FaultException(new Fault(
                ErrorClass.Table, $"Table {name} is no longer there at the source.", "Remove it from the pipeline's tables or create it, then refresh."));
        var progress = new Progress(rows => context.Status.Change(name, t => t with { SnapshotRows = rows }), time);
        var (source, format) = reader.Read(table, planned.Route!.Columns);
        var copy = new TableCopy(planned.Route, table, snapshot.Since, emptyFirst, format, progress);
        var outcome = await session.CopyTableAsync(copy, source, cancellationToken).ConfigureAwait(false);
        context.Metrics.Copied(outcome.Rows);
        context.Status.Change(name, t => t with
        {
            State = TableState.CatchingUp, SnapshotRows = outcome.Rows, SnapshotRowsEstimated = outcome.Rows, Error = null, Remedy = planned.Remedy,
            Since = snapshot.Since,
        });
    }

    async Task AdoptAsync(PlannedTable planned, ITableSnapshot snapshot, CancellationToken cancellationToken)
    {
        var table = await snapshot.Readers[0].DescribeAsync(planned.Source, cancellationToken).ConfigureAwait(false) ?? planned.Description!;
        await session.AdoptTableAsync(
            new TableCopy(planned.Route!, table, snapshot.Since, false, CopyFormat.Binary, null), cancellationToken).ConfigureAwait(false);
    }

    void ShowWaiting(string? reason) =>
        context.Status.Fault = reason is null ? null : new Fault(
            ErrorClass.Transient, $"Taking a snapshot waits for a transaction at the source: {reason}", "Wait, or end that transaction: SELECT pg_terminate_backend(<pid>);");

    /// <summary>At most a few times a second into the status.</summary>
    sealed class Progress(Action<long> show, TimeProvider time) : IProgress<CopyProgress>
    {
        long _last;

        public void Report(CopyProgress value)
        {
            var now = time.GetTimestamp();
            if (_last != 0 && time.GetElapsedTime(_last, now) < TimeSpan.FromMilliseconds(250))
                return;
            _last = now;
            show(value.Rows);
        }
    }
}
