using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// One table's chunks at the destination. A chunk's bytes go into a temporary table beside the target while they are read; in its place in the lane a few
/// statements bring them over, leaving alone what the lane has changed since, in one transaction with what is stored about the copy.
/// </summary>
/// <param name="connection">For what is said about the copy as a whole, and the first of the stages.</param>
/// <param name="open">Opens another connection, for the other stages.</param>
/// <param name="isOurs">Rows that are there may be of an earlier shape.</param>
sealed class TableChunks(
    PgConnection connection, Func<CancellationToken, Task<PgConnection>> open, PositionRow row, ChunkedCopy copy, CopyTarget target, bool isOurs, KeyWatch watch,
    StreamedTransactions streamed, (CopyingState State, long Rows) progress, Func<TablePlan?> plan, Action<(CopyingState? State, long Rows)> stored, Action close) : ITableChunks
{
    readonly ChunkStatements _sql = new(copy, target);
    readonly ChunkDifferences? _differences = copy.Purpose is ChunkPurpose.Compare or ChunkPurpose.Repair ? new ChunkDifferences(copy, new ChunkStatements(copy, target)) : null;
    readonly ChunkStage?[] _stages = new ChunkStage?[ITableChunks.Stages];
    readonly long[] _watchedFrom = [.. Enumerable.Repeat(long.MaxValue, ITableChunks.Stages)];
    readonly Task[] _landed = [.. Enumerable.Repeat(Task.CompletedTask, ITableChunks.Stages)];
    CopyingState _state = progress.State;
    Task _landing = Task.CompletedTask;
    CopyProgress _sent = new(progress.Rows, 0);
    int _loads;

    public IReadOnlyList<string>? FinishedUpTo => _state.UpTo;

    public PageMark? FinishedPages => _state.Pages;

    public bool RangesAreFinished => _state.RangesAreFinished;

    public long Rows { get; private set; } = progress.Rows;

    public WatchMark Watch(int stage)
    {
        var mark = new WatchMark(watch.Mark, streamed.Count, stage);
        _watchedFrom[stage] = mark.Keys;
        watch.Forget(_watchedFrom.Min());
        return mark;
    }

    public async Task<long> StageAsync(int stage, ICopySource source, CancellationToken cancellationToken)
    {
        return await (await StageOfAsync(stage, cancellationToken)).FillAsync(source, cancellationToken);
    }

    async ValueTask<ChunkStage> StageOfAsync(int stage, CancellationToken cancellationToken) =>
        _stages[stage] ??= new ChunkStage(stage == 0 ? connection : await open(cancellationToken), _sql, target);

    public bool MayHaveDigests => copy.DeletesExtra && target.Casts.Count == 0;

    public async Task<IRangeDigests?> OpenDigestsAsync(string form, CancellationToken cancellationToken)
    {
        // Of a table without rows every row is wanted.
        if (!MayHaveDigests || (await connection.QueryAsync($"SELECT FROM {target.Table.OnlySql} LIMIT 1", cancellationToken)).RowCount == 0)
            return null;
        var sql = await DigestSql.DescribeAsync(connection, target.Table.Oid, copy.Table, cancellationToken);
        if (sql?.Form != form)
            return null;
        for (var stage = 0; stage < _stages.Length; stage++)
            await StageOfAsync(stage, cancellationToken);
        return new RangeDigests([.. _stages.OfType<ChunkStage>()], row, copy, target, sql, watch, streamed, PlanOfKeys, LandedSql, Landed);
    }

    public async Task LoadAsync(ICopySource source, Func<LoadedRange> range, IProgress<CopyProgress>? copied, CancellationToken cancellationToken)
    {
        // The stage of the range before the last one, which has landed.
        var stage = _loads++ % ITableChunks.Stages;
        await _landed[stage];
        Failpoint.Hit(FailpointNames.CopyBegun);
        var into = (await StageOfAsync(stage, cancellationToken)).Connection;
        var load = new CopyLoad(into, target, copy.Table.Columns, copy.Table.Format);
        try
        {
            await into.QueryAsync("BEGIN", cancellationToken);
            var before = _sent;
            await load.SendAsync(source, bytes => copied?.Report(new CopyProgress(before.Rows + (source.Rows ?? 0), before.Bytes + bytes)), cancellationToken);
            _sent = new CopyProgress(before.Rows + (source.Rows ?? 0), before.Bytes + load.Bytes);
        }
        catch
        {
            await load.AbortAsync();
            throw;
        }

        _landing = _landed[stage] = LandAsync(load, into, range(), _landing, cancellationToken);
    }

    public Task LandedAsync() => _landing;

    async Task LandAsync(CopyLoad load, PgConnection into, LoadedRange range, Task before, CancellationToken cancellationToken)
    {
        try
        {
            var loaded = await load.EndAsync(cancellationToken);
            // What is stored says how far the copy is, so no range may land before the one before it.
            await before;
            await into.QueryAsync(StoredTables.LoadedSql(row, copy.Route.Source, range, loaded), cancellationToken);
            Failpoint.Hit(FailpointNames.CopyBeforeCommit);
            await row.CommitAsync(into, cancellationToken);
            Failpoint.Hit(FailpointNames.CopyAfterCommit);
            Rows += loaded;
            _state = range switch
            {
                { IsLast: true } => _state with { RangesAreFinished = true },
                { Pages: { } pages } => _state with { Pages = pages },
                _ => _state with { UpTo = range.UpTo },
            };
            stored((_state, Rows));
        }
        catch
        {
            await load.AbortAsync();
            throw;
        }
    }

    void Landed(ChunkRange range, long loaded)
    {
        Rows += loaded;
        _state = range.IsLast ? _state with { RangesAreFinished = true } : _state with { UpTo = range.UpTo };
        stored((_state, Rows));
    }

    public async Task<ChunkLanding> LandAsync(ReadChunk chunk, CancellationToken cancellationToken)
    {
        if (!streamed.AreShownBy(chunk.Snapshot, chunk.Watched.Transactions))
            return Again("a transaction that is not visible yet was applied before");
        var keys = new List<byte[]>();
        if (!watch.TryRead(chunk.Snapshot, chunk.Watched.Keys, (key, isPartial) => keys.Add(KeyWindow.RowOf(key, isPartial))))
            return Again("the table was truncated or changed meanwhile");

        Failpoint.Hit(FailpointNames.ChunkStaged);
        var stage = _stages[chunk.Watched.Stage]!;
        var connection = stage.Connection;
        await connection.QueryAsync("BEGIN", cancellationToken);
        try
        {
            var window = keys.Count > 0 ? await stage.FillWindowAsync(PlanOfKeys(), keys, cancellationToken) : null;
            if (window is not null)
                await connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {_sql.PendPartial(row, window)}; {_sql.LeaveAlone(window)}", cancellationToken);
            var found = _differences is null ? null : await _differences.FindAsync(connection, chunk.Range, window, cancellationToken);
            var landing = found is not null && (copy.Purpose == ChunkPurpose.Compare || found.IsEmpty) ? found : await WriteAsync(connection, chunk.Range, window, cancellationToken);
            if (chunk.Range.Keys is { } read)
                await connection.QueryAsync(_sql.NoLongerPending(row, read, window), cancellationToken);
            else if (chunk.Range.IsWhole && LandedSql(chunk.Range, chunk.Rows) is { } landed)
                await connection.QueryAsync(landed, cancellationToken);
            await CommitAsync(stage, cancellationToken);
            _watchedFrom[chunk.Watched.Stage] = long.MaxValue;
            if (chunk.Range.IsWhole)
                Landed(chunk.Range, chunk.Rows);

            return landing with { Keys = found?.Keys ?? [] };
        }
        catch
        {
            await stage.RollbackAsync();
            throw;
        }
    }

    async Task<ChunkLanding> WriteAsync(PgConnection connection, ChunkRange range, KeyWindow? window, CancellationToken cancellationToken)
    {
        var deleted = copy.DeletesExtra && range.Keys is null
            ? (await connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {_sql.DeleteExtra(range, window)}", cancellationToken)).RowCount
            : 0;
        await connection.QueryAsync("SET LOCAL enable_hashjoin = off", cancellationToken);
        // Of a copy that began with an empty table every row that is there is the stream's own, so the newest.
        var updated = copy is { Purpose: ChunkPurpose.Copy, Replace: false } && !isOurs ? 0 : (await connection.QueryAsync(_sql.UpdateDiffering, cancellationToken)).RowCount;
        var inserted = (await connection.QueryAsync(_sql.InsertMissing, cancellationToken)).RowCount;
        return new ChunkLanding(inserted, updated, deleted, null);
    }

    string? LandedSql(ChunkRange range, long rows) => copy switch
    {
        { Purpose: ChunkPurpose.Copy } => StoredTables.LandedSql(row, copy.Route.Source, range.UpTo, rows),
        { Job: { } job } => BackfillProgress.LandedSql(row, job, range.UpTo, rows),
        _ => null,
    };

    async ValueTask CommitAsync(ChunkStage stage, CancellationToken cancellationToken)
    {
        if (copy.Purpose == ChunkPurpose.Compare)
        {
            await stage.RollbackAsync();
            return;
        }

        Failpoint.Hit(FailpointNames.ChunkBeforeCommit);
        await row.CommitAsync(stage.Connection, cancellationToken);
        Failpoint.Hit(FailpointNames.ChunkAfterCommit);
    }

    public async Task<IReadOnlyList<IReadOnlyList<string>>> PendingAsync(int most, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(StoredTables.PendingSql(row, copy.Route.Source, most), cancellationToken);
        return [.. Enumerable.Range(0, found.Rows.Count).Select(i => System.Text.Json.JsonSerializer.Deserialize<string[]>(found.RequiredText(i, 0))!)];
    }

    public async Task<bool> FinishAsync(CancellationToken cancellationToken)
    {
        if (copy.Purpose != ChunkPurpose.Copy)
            return true;
        await connection.QueryAsync("BEGIN", cancellationToken);
        var finished = await connection.QueryAsync(StoredTables.FinishedSql(row, copy.Route.Source), cancellationToken);
        if (finished.RowCount == 0)
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            return false;
        }

        await row.CommitAsync(connection, cancellationToken);
        stored((null, Rows));
        return true;
    }

    public Task AnalyzeAsync(CancellationToken cancellationToken) => target.AnalyzeAsync(connection, cancellationToken).AsTask();

    static ChunkLanding Again(string reason) => new(0, 0, 0, reason);

    TablePlan PlanOfKeys() => plan() ?? throw new InvalidOperationException($"Keys of {copy.Route.Source} were changed without a plan for it.");

    public async ValueTask DisposeAsync()
    {
        close();
        // Whoever loaded has been told of a failure, by the next range or by waiting; here it only has to have ended.
        await Task.WhenAll(_landed).ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        foreach (var stage in _stages.Skip(1).OfType<ChunkStage>())
            await stage.DisposeAsync();
        await connection.DisposeAsync();
    }
}
