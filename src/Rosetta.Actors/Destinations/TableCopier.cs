using System.Collections.Concurrent;
using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>What became of one table's copy. <paramref name="Error"/>: it failed in a way that trying again does not mend.</summary>
readonly record struct CopyEnd(TableName Table, ResyncOrder? Order, string? Error);

/// <summary>Copies tables from one exported snapshot, several at once, each in a destination transaction of its own.</summary>
sealed class TableCopier(LaneContext context, IDestinationSession session, LaneTransforms transforms, TimeProvider time)
{
    /// <summary>
    /// Snapshots in which a table that is truncated again and again is tried. From the second one on it is read right after the snapshot was
    /// taken, so that only a TRUNCATE within those moments gets in the way.
    /// </summary>
    public const int MostSnapshots = 10;

    /// <summary>From this one on the table is held from before the snapshot, which makes a TRUNCATE wait for moments longer than any copy does.</summary>
    const int HeldFrom = 3;

    /// <summary>Tables from which on they are described in one go.</summary>
    const int Many = 8;

    readonly ConcurrentBag<CopyEnd> _ends = [];
    readonly long _started = time.GetTimestamp();
    volatile bool _isUnfinished;
    readonly ConcurrentBag<(PlannedTable Table, bool EmptyFirst)> _rewritten = [];

    /// <summary>Tables are left that are to be copied beside the stream.</summary>
    public bool IsUnfinished
    {
        get => _isUnfinished;
        private set => _isUnfinished = value;
    }

    /// <summary>
    /// A transient failure ends the whole run: tables already committed stay, the others are copied from a new snapshot. A table that was truncated
    /// or rewritten before its turn came is put aside and copied from a snapshot of its own; the others do not wait for it nor start again.
    /// </summary>
    public async Task<IReadOnlyCollection<CopyEnd>> RunAsync(CopyPlan todo, DestinationPlan plan, CancellationToken cancellationToken)
    {
        await RunAsync(todo.Copies, todo.Adoptions, null, plan, cancellationToken).ConfigureAwait(false);
        for (var snapshots = 1; !_rewritten.IsEmpty; snapshots++)
        {
            var again = _rewritten.ToArray();
            _rewritten.Clear();
            if (snapshots < MostSnapshots)
            {
                // One at a time: nothing else is read between a snapshot and its table.
                foreach (var table in again)
                    await RunAloneAsync(table, snapshots >= HeldFrom, plan, cancellationToken).ConfigureAwait(false);
                continue;
            }

            foreach (var (table, _) in again)
                Refuse(table.Source, plan, Restless(table.Source));
        }

        return _ends;
    }

    async Task RunAloneAsync((PlannedTable Table, bool EmptyFirst) table, bool hold, DestinationPlan plan, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync([table], [], hold ? table.Table.Source : null, plan, cancellationToken).ConfigureAwait(false);
        }
        catch (TableRewrittenException)
        {
            _rewritten.Add(table);
        }
    }

    static Fault Restless(TableName table) => new(
        ErrorClass.Table, $"Table {table} was truncated or rewritten before it could be read, in {MostSnapshots} snapshots one after another.",
        $"Let the source leave it alone for a moment, then resync it: POST .../tables/{table}/resync.");

    async Task RunAsync(
        IReadOnlyList<(PlannedTable Table, bool EmptyFirst)> copies, IReadOnlyList<PlannedTable> adoptions, TableName? held, DestinationPlan plan,
        CancellationToken cancellationToken)
    {
        var queue = new ConcurrentQueue<(PlannedTable Table, bool EmptyFirst)>(copies);
        var readers = Math.Clamp(copies.Count, 1, Math.Max(1, context.Readers));
        await using var snapshot = await context.Source.ExportSnapshotAsync(
            context.DestinationId, readers, ShowWaiting, held, cancellationToken).ConfigureAwait(false);
        ShowWaiting(null);
        if (copies.Count >= Many)
            await snapshot.DescribeAsync([.. copies.Select(c => c.Table.Source)], cancellationToken).ConfigureAwait(false);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        foreach (var table in adoptions)
            await AdoptAsync(table, snapshot, cancellationToken).ConfigureAwait(false);
        var workers = snapshot.Readers.Select(r => WorkAsync(r, queue, plan, snapshot, failed)).ToList();
        await Task.WhenAll(workers).ConfigureAwait(false);
    }

    async Task WorkAsync(
        ITableReader reader, ConcurrentQueue<(PlannedTable Table, bool EmptyFirst)> queue, DestinationPlan plan, ITableSnapshot snapshot,
        CancellationTokenSource failed)
    {
        while (queue.TryDequeue(out var next))
        {
            // A snapshot holds back vacuum at the source, and its slot WAL: past the budget what is left comes beside the stream.
            if (!next.EmptyFirst && next.Table.Description is { PrimaryKey.Count: > 0 } && IsPastBudget)
            {
                IsUnfinished = true;
                continue;
            }

            try
            {
                await CopyAsync(reader, next.Table, next.EmptyFirst, snapshot, failed.Token).ConfigureAwait(false);
                _ends.Add(new CopyEnd(next.Table.Source, OrderFor(next.Table.Source, plan), null));
            }
            catch (TableRewrittenException) when (session.Tables.GetValueOrDefault(next.Table.Source)?.Copying is not null)
            {
                // Some of it has landed: the rest comes beside the stream, which brings what happened to the table.
                IsUnfinished = true;
            }
            catch (TableRewrittenException)
            {
                _rewritten.Add(next);
            }
            catch (Exception e) when (ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
            {
                Refuse(next.Table.Source, plan, ErrorPolicy.ToFault(e, $"Mend the cause, then resync the table: POST .../tables/{next.Table.Source}/resync."));
            }
            catch
            {
                await failed.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    bool IsPastBudget =>
        time.GetElapsedTime(_started) > context.SnapshotBudget || (context.SnapshotWal > 0 && context.Retained() > context.SnapshotWal);

    static ResyncOrder? OrderFor(TableName table, DestinationPlan plan) => plan.Resync.TryGetValue(table, out var asked) ? asked : null;

    void Refuse(TableName table, DestinationPlan plan, Fault fault)
    {
        context.Status.Change(table, t => t with { State = TableState.Error, Error = fault.Reason, Remedy = fault.Remedy });
        _ends.Add(new CopyEnd(table, OrderFor(table, plan), fault.Reason));
    }

    async Task CopyAsync(ITableReader reader, PlannedTable planned, bool emptyFirst, ITableSnapshot snapshot, CancellationToken cancellationToken)
    {
        var name = planned.Source;
        context.Status.Change(name, t => t with
        {
            State = emptyFirst ? TableState.Resyncing : TableState.Snapshotting, SnapshotRows = 0, SnapshotBytes = 0, CopyBegan = (time.GetUtcNow(), 0), Error = null, Remedy = planned.Remedy,
        });
        var table = await reader.DescribeAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new FaultException(new Fault(
                ErrorClass.Table, $"Table {name} is no longer there at the source.", "Remove it from the pipeline's tables or create it, then refresh."));
        var progress = new Progress(so => context.Status.Change(name, t => t with { SnapshotRows = so.Rows, SnapshotBytes = so.Bytes }), time);
        if (!emptyFirst && planned.Route!.Transform is null && table.PrimaryKey.Count > 0 && table.EstimatedBytes >= context.RangedFrom
            && await new RangedCopy(context, session, reader, planned, snapshot.Since, progress).RunAsync(table, cancellationToken).ConfigureAwait(false))
            return;
        var (made, source, format) = transforms.Copy(planned.Route!, table, (columns, filter) => reader.Read(table, columns, filter));
        var options = planned.Route!.Options;
        if (options.Merges(made) is false || !emptyFirst)
            source = CopiedRows.Of(source, options, format, snapshot.Since);
        var copy = new TableCopy(
            LaneOptions.WithColumns(LaneTransforms.Plain(planned.Route)), LaneOptions.Describe(planned.Route, made), snapshot.Since, emptyFirst, format, progress)
        {
            Transform = planned.Route.Fingerprint,
        };
        var outcome = await session.CopyTableAsync(copy, context.Paced(name, source), cancellationToken).ConfigureAwait(false);
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
            new TableCopy(
                LaneOptions.WithColumns(LaneTransforms.Plain(planned.Route!)), LaneOptions.Describe(planned.Route!, transforms.Describe(planned.Route!, table)), snapshot.Since,
                false, CopyFormat.Binary, null)
            {
                Transform = planned.Route!.Fingerprint,
            }, cancellationToken).ConfigureAwait(false);
    }

    void ShowWaiting(string? reason) =>
        context.Status.Fault = reason is null ? null : new Fault(
            ErrorClass.Transient, $"Taking a snapshot waits for a transaction at the source: {reason}", "Wait, or end that transaction: SELECT pg_terminate_backend(<pid>);");

    /// <summary>At most a few times a second into the status.</summary>
    sealed class Progress(Action<CopyProgress> show, TimeProvider time) : IProgress<CopyProgress>
    {
        long _last;

        public void Report(CopyProgress value)
        {
            var now = time.GetTimestamp();
            if (_last != 0 && time.GetElapsedTime(_last, now) < TimeSpan.FromMilliseconds(250))
                return;
            _last = now;
            show(value);
        }
    }
}
