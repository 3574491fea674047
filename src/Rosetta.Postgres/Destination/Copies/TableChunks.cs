using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// One table's chunks at the destination. A chunk's bytes are held in memory, or go into a temporary table beside the target, while they are read; in its place in
/// the lane they are copied into the target, or a few statements bring them over, leaving alone what the lane has changed since, in one transaction with what is
/// stored about the copy.
/// </summary>
/// <param name="connection">For what is said about the copy as a whole, and the first of the stages.</param>
/// <param name="open">Opens another connection, for the other stages.</param>
/// <param name="sweep">Finds the rows that only the destination has; null where ranges do, or nothing is deleted.</param>
/// <param name="isOurs">Rows that are there may be of an earlier shape.</param>
/// <param name="direct">Lands chunks that need no stage.</param>
/// <param name="superseding">Takes out what is parked of keys that a chunk brings.</param>
/// <param name="refused">Parks rows that are read again by their keys and refused; null: they fail the chunk.</param>
sealed class TableChunks(
    PgConnection connection, Func<CancellationToken, Task<PgConnection>> open, PositionRow row, ChunkedCopy copy, CopyTarget target, KeySweep? sweep, bool isOurs, KeyWatch watch,
    StreamedTransactions streamed, DirectLanding direct, Superseding superseding, RefusedRows? refused, (CopyingState State, long Rows) progress, Func<TablePlan?> plan, Action<(CopyingState? State, long Rows)> stored, Action nothingPending, Action close) : ITableChunks
{
    readonly ChunkStatements _sql = new(copy, target);
    readonly ChunkDifferences? _differences = copy.Purpose is ChunkPurpose.Compare or ChunkPurpose.Repair ? new ChunkDifferences(copy, new ChunkStatements(copy, target), namesExtra: sweep is null) : null;
    readonly ChunkStage?[] _stages = new ChunkStage?[ITableChunks.Stages];
    readonly long[] _watchedFrom = [.. Enumerable.Repeat(long.MaxValue, ITableChunks.Stages)];
    readonly Task[] _landed = [.. Enumerable.Repeat(Task.CompletedTask, ITableChunks.Stages)];
    CopyingState _state = progress.State;
    Task _landing = Task.CompletedTask;
    CopyProgress _sent = new(progress.Rows, 0);
    int _loads;

    /// <summary>
    /// Begins a chunk's landing, which need not wait for the disk. Its rows and what says that they have landed are in one transaction, so they are lost together or
    /// not at all, and not without everything that was committed after them: nothing is told to the source, and no end to the user, before a commit that waits.
    /// </summary>
    public const string BeginSql = "BEGIN; SET LOCAL synchronous_commit = off";

    public IReadOnlyList<string>? FinishedUpTo => _state.UpTo;

    public PageMark? FinishedPages => _state.Pages;

    public bool RangesAreFinished => _state.RangesAreFinished || _state.IsSweeping;

    public bool IsSwept => !_state.IsSweeping;

    public long Rows { get; private set; } = progress.Rows;

    /// <summary>Chunks that needed no stage.</summary>
    public int LandedDirectly { get; private set; }

    public WatchMark Watch(int stage)
    {
        var mark = new WatchMark(watch.Mark, streamed.Count, stage);
        _watchedFrom[stage] = mark.Keys;
        watch.Forget(_watchedFrom.Min());
        return mark;
    }

    public async Task<long> StageAsync(int stage, ICopySource source, CancellationToken cancellationToken) =>
        await (await StageOfAsync(stage, cancellationToken)).FillAsync(source, direct.Holds, cancellationToken);

    // Ignored updates make rows differ that are right.
    public bool MayHaveDigests => copy.DeletesExtra && sweep is null && target.Casts.Count == 0 && (copy.Route.Options.Ignore & IgnoredChanges.Update) == 0;

    public async Task<IRangeDigests?> OpenDigestsAsync(string form, CancellationToken cancellationToken)
    {
        // Of a table without rows every row is wanted.
        if (!MayHaveDigests || (await connection.QueryAsync($"SELECT FROM {target.Table.OnlySql} LIMIT 1", cancellationToken)).RowCount == 0)
            return null;
        var sql = await DigestSql.DescribeAsync(connection, target.Table.Oid, copy.Table, cancellationToken);
        if (sql?.Form != form)
            return null;
        // Rows that lack what the copy is to add are equal to a digest.
        if (copy.Purpose == ChunkPurpose.Copy && (copy.Route.Options.LsnColumn ?? copy.Route.Options.OperationColumn) is { } added
            && (await connection.QueryAsync($"SELECT FROM {target.Table.OnlySql} WHERE {SqlIdentifier.Quote(added)} IS NULL LIMIT 1", cancellationToken)).RowCount > 0)
            return null;
        for (var stage = 0; stage < _stages.Length; stage++)
            await StageOfAsync(stage, cancellationToken);
        return new RangeDigests([.. _stages.OfType<ChunkStage>()], row, copy, target, sql, watch, streamed, superseding, PlanOfKeys, LandedSql, Landed);
    }

    async ValueTask<ChunkStage> StageOfAsync(int stage, CancellationToken cancellationToken) =>
        _stages[stage] ??= new ChunkStage(stage == 0 ? connection : await open(cancellationToken), _sql, target);

    public async Task LoadAsync(ICopySource source, Func<LoadedRange> range, IProgress<CopyProgress>? copied, CancellationToken cancellationToken)
    {
        // The stage of the range before the last one, which has landed.
        var stage = _loads++ % ITableChunks.Stages;
        await _landed[stage];
        Failpoint.Hit(FailpointNames.CopyBegun);
        var into = (await StageOfAsync(stage, cancellationToken)).Connection;
        var load = new CopyLoad(into, target, source.ColumnNames, copy.Table.Format);
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
        _state = !range.IsLast ? _state with { UpTo = range.UpTo }
            : sweep is null ? _state with { RangesAreFinished = true }
            : _state with { UpTo = null, IsSweeping = true };
        stored((_state, Rows));
    }

    public async Task<KeyRun> NextKeysAsync(int most, CancellationToken cancellationToken) =>
        await (sweep ?? throw new InvalidOperationException("Nothing is to be swept.")).NextAsync(connection, _state.UpTo, most, cancellationToken);

    public void Skip(KeyRun run) => Swept(run);

    void Swept(KeyRun run)
    {
        _state = run.IsLast ? _state with { IsSweeping = false, RangesAreFinished = true } : _state with { UpTo = run.Keys[^1] };
        stored((_state, Rows));
    }

    public async Task<ChunkLanding> LandAsync(ReadChunk chunk, CancellationToken cancellationToken, CancellationToken callOff = default)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, callOff);
        var beforeCommit = either.Token;
        if (streamed.FindHidden(chunk.Snapshot, chunk.Watched.Transactions) is { } hidden)
            return Again("its commit was applied here and is not visible at the source yet") with { WaitsFor = hidden };
        var keys = new List<byte[]>();
        if (!watch.TryRead(chunk.Snapshot, chunk.Watched.Keys, (key, isPartial) => keys.Add(KeyWindow.RowOf(key, isPartial))))
            return Again("the table was truncated or changed meanwhile");

        Failpoint.Hit(FailpointNames.ChunkStaged);
        var stage = await StageOfAsync(chunk.Watched.Stage, beforeCommit);
        // Rows that are there are the newest, unless a change of them is parked: the stage can tell.
        if (stage.Held is not null && chunk is { Range.IsWhole: true, Swept: null } && !superseding.IsNeeded
            && await direct.TryAsync(stage, chunk, keys, PlanOfKeys, LandedSql(chunk.Range, chunk.Rows), beforeCommit, cancellationToken) is { } directly)
        {
            _watchedFrom[chunk.Watched.Stage] = long.MaxValue;
            Landed(chunk.Range, chunk.Rows);
            LandedDirectly++;
            return directly;
        }

        if (stage.Held is not null)
            await stage.StageHeldAsync(beforeCommit);
        var connection = stage.Connection;
        await connection.QueryAsync(BeginSql, beforeCommit);
        try
        {
            var window = keys.Count > 0 ? await stage.FillWindowAsync(PlanOfKeys(), keys, beforeCommit) : null;
            if (chunk.Swept is { } swept)
                return await LandSweptAsync(stage, swept, chunk.High, window, cancellationToken);
            if (window is not null)
                await connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {_sql.PendPartial(row, window)}; {_sql.LeaveAlone(window)}", beforeCommit);
            var superseded = await superseding.RunAsync(connection, _sql.Tells(chunk.Range, window, DeletesExtra(chunk.Range)), beforeCommit);
            var found = _differences is null ? null : await _differences.FindAsync(connection, chunk.Range, window, beforeCommit);
            var landing = found is not null && (copy.Purpose == ChunkPurpose.Compare || found.IsEmpty)
                ? found
                : refused is not null && chunk.Range.Keys is not null
                    ? await refused.WriteAsync(connection, only => WriteAsync(connection, chunk.Range, chunk.High, window, superseded > 0, only, beforeCommit), chunk.High, beforeCommit)
                    : await WriteAsync(connection, chunk.Range, chunk.High, window, mayBeOld: superseded > 0, null, beforeCommit);
            landing = landing with { Superseded = superseded };
            if (chunk.Range.Keys is { } read)
                await connection.QueryAsync(_sql.NoLongerPending(row, read, window), beforeCommit);
            else if (chunk.Range.IsWhole && LandedSql(chunk.Range, chunk.Rows) is { } landed)
                await connection.QueryAsync(landed, beforeCommit);
            await CommitAsync(stage, cancellationToken);
            _watchedFrom[chunk.Watched.Stage] = long.MaxValue;
            if (chunk.Range.IsWhole)
            {
                Landed(chunk.Range, chunk.Rows);
                direct.Staged(chunk, landing, keys.Count);
            }

            return landing with { Keys = found?.Keys ?? [] };
        }
        catch
        {
            superseding.RolledBack();
            refused?.RolledBack();
            await stage.RollbackAsync();
            throw;
        }
    }

    async ValueTask<ChunkLanding> LandSweptAsync(ChunkStage stage, SweptKeys swept, Lsn at, KeyWindow? window, CancellationToken cancellationToken)
    {
        var keys = new List<DifferingKey>();
        var deleted = 0L;
        var superseded = 0L;
        if (sweep!.DeleteSql(swept, window, at, named: _differences is not null) is { } delete)
        {
            superseded = await superseding.RunAsync(stage.Connection, [sweep.Tells(swept, window)], cancellationToken);
            var gone = await stage.Connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {delete}", cancellationToken);
            deleted = gone.RowCount;
            if (_differences is not null)
                keys = _differences.NameExtra(gone);
        }

        if (copy.Purpose == ChunkPurpose.Copy)
            await stage.Connection.QueryAsync(StoredTables.SweptSql(row, copy.Route.Source, swept.Run.IsLast ? null : swept.Run.Keys[^1]), cancellationToken);
        await CommitAsync(stage, cancellationToken);
        _watchedFrom[stage == _stages[0] ? 0 : 1] = long.MaxValue;
        Swept(swept.Run);
        return new ChunkLanding(0, 0, deleted, null) { Keys = keys, Superseded = superseded };
    }

    bool DeletesExtra(ChunkRange range) => copy.DeletesExtra && sweep is null && range.Keys is null;

    /// <param name="mayBeOld">Changes of rows that are there were parked.</param>
    /// <param name="only">See <see cref="ChunkStatements.UpdateDiffering"/>.</param>
    async Task<ChunkLanding> WriteAsync(PgConnection connection, ChunkRange range, Lsn at, KeyWindow? window, bool mayBeOld, string? only, CancellationToken cancellationToken)
    {
        var deleted = DeletesExtra(range)
            ? (await connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {_sql.DeleteExtra(range, window, at)}", cancellationToken)).RowCount
            : 0;
        await connection.QueryAsync("SET LOCAL enable_hashjoin = off", cancellationToken);
        // Of a copy that began with an empty table every row that is there is the stream's own, so the newest.
        var updated = copy is { Purpose: ChunkPurpose.Copy, Replace: false } && !isOurs && !mayBeOld ? 0 : (await connection.QueryAsync(_sql.UpdateDiffering(at, only), cancellationToken)).RowCount;
        var inserted = (await connection.QueryAsync(_sql.InsertMissing(at, only), cancellationToken)).RowCount;
        return new ChunkLanding(inserted, updated, deleted, null);
    }

    string? LandedSql(ChunkRange range, long rows) => copy switch
    {
        { Purpose: ChunkPurpose.Copy } => StoredTables.LandedSql(row, copy.Route.Source, range.UpTo, rows, sweep is not null),
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
        superseding.Committed();
        refused?.Committed();
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
        {
            // Between two groups: what becomes pending later is told anew.
            if (copy.Purpose == ChunkPurpose.Keys && (await PendingAsync(1, cancellationToken)).Count > 0)
                return false;
            if (copy.Purpose == ChunkPurpose.Keys)
                nothingPending();
            // What has landed is on disk before it is called finished.
            if (copy.Purpose != ChunkPurpose.Compare)
            {
                await connection.QueryAsync("BEGIN", cancellationToken);
                await row.CommitAsync(connection, cancellationToken);
            }

            return true;
        }

        await connection.QueryAsync("BEGIN", cancellationToken);
        var finished = await connection.QueryAsync(StoredTables.FinishedSql(row, copy.Route.Source), cancellationToken);
        if (finished.RowCount == 0)
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            return false;
        }

        await row.CommitAsync(connection, cancellationToken);
        stored((null, Rows));
        nothingPending();
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
        foreach (var stage in _stages.OfType<ChunkStage>())
        {
            stage.Dispose();
            await stage.Connection.DisposeAsync();
        }

        await connection.DisposeAsync();
    }
}
