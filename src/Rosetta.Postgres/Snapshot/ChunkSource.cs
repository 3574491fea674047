using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>
/// Reads a table in chunks by key. Each chunk is one short REPEATABLE READ transaction, so the source is never held: the table's lock first (ACCESS SHARE,
/// which takes no snapshot), then the snapshot, then the rows, and after the end the position that every commit it shows lies below.
/// </summary>
public sealed partial class ChunkSource : IChunkSource
{
    // A commit that waits for a standby is in the WAL and not shown; one that was asked for a moment ago may be on its way. Who may not see other roles'
    // sessions has to suspect them.
    const string SuspectsSql =
        """
        SELECT x::text::bigint % 4294967296
          FROM pg_snapshot_xip(pg_current_snapshot()) x LEFT JOIN pg_stat_activity a ON a.backend_xid::text::bigint = x::text::bigint % 4294967296
         WHERE NOT EXISTS (SELECT FROM pg_prepared_xacts p WHERE p.transaction::text::bigint = x::text::bigint % 4294967296)
           AND (a.pid IS NULL OR a.state IS NULL OR a.wait_event = 'SyncRep'
                OR (a.state NOT LIKE 'idle in transaction%' AND a.query_start > clock_timestamp() - interval '10 s'))
        """;

    const long LargestCounted = 64 << 20;
    const ulong WalPage = 8192;
    const ulong LongestPageHeader = 40;

    readonly PgConnection _connection;
    readonly PublicationFacts _publications;
    PgConnection? _beside;
    (ChunkTable Table, string Shape, bool IsOrdered) _seen;

    ChunkSource(PgConnection connection, PublicationFacts publications)
    {
        _connection = connection;
        _publications = publications;
    }

    /// <param name="publications">What the stream names: chunks hold the rows and columns that they publish, and no others.</param>
    public static async Task<ChunkSource> OpenAsync(PgEndpoint endpoint, PublicationFacts publications, CancellationToken cancellationToken) =>
        new(await SnapshotSession.OpenAsync(endpoint, cancellationToken), publications);

    public async Task<IReadOnlyList<uint>> FindSuspectsAsync(CancellationToken cancellationToken)
    {
        var found = await _connection.QueryAsync(SuspectsSql, cancellationToken);
        return [.. Enumerable.Range(0, found.Rows.Count).Select(i => (uint)found.Int64(i, 0))];
    }

    public async Task<ChunkTable?> DescribeAsync(TableName table, IReadOnlyList<string>? columns, CancellationToken cancellationToken)
    {
        if ((await SourceCatalog.FindAsync(_connection, table, cancellationToken))?.Description is not { } description)
            return null;
        return TableOf(description, columns, _publications);
    }

    /// <summary>What is read of a table: the columns that are wanted and published.</summary>
    public static ChunkTable TableOf(TableDescription table, IReadOnlyList<string>? columns, PublicationFacts publications)
    {
        var published = publications.ColumnsOf(table.Name);
        var wanted = table.Columns
            .Where(c => c.Generated is null && (columns is null || columns.Contains(c.Name)) && (published is null || published.Contains(c.Name))).ToList();
        return new ChunkTable(
            table, [.. wanted.Select(c => c.Name)], wanted.TrueForAll(c => c.HasBinaryForm) ? CopyFormat.Binary : CopyFormat.Text, publications.RowFilterOf(table.Name));
    }

    public Task<ReadChunk> ReadAsync(
        ChunkTable table, ChunkRange range, int rows, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        InSnapshotAsync(
            table, watched, async () =>
            {
                if (range is { IsWhole: true, UpTo: null } && ReadsOnce(table))
                    return await CopyNextAsync(table, range, rows, into, cancellationToken);
                var found = await WithEndAsync(table, range, rows, cancellationToken);
                return await CopyAsync(table, found, ChunkSql.Range(table.Table, found), into, cancellationToken);
            }, cancellationToken);

    // Finding the last key first costs less where rows lie in another order than the key's, because rows of a known range are then read in the order of the pages.
    // With a condition it would read every row twice.
    bool ReadsOnce(ChunkTable table) =>
        table.Format == CopyFormat.Binary && (_seen.IsOrdered || table.Condition is not null) && table.Key.All(table.Columns.Contains);

    /// <summary>Reads the next rows in the key's order, and learns from the last of them where they end.</summary>
    async Task<ReadRows> CopyNextAsync(
        ChunkTable table, ChunkRange range, int rows, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken)
    {
        var most = rows.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var source = new Rows(_connection, table, $"{ChunkSql.Range(table.Table, range)}{ChunkSql.Filter(table)} ORDER BY {ChunkSql.KeyColumns(table.Table)} LIMIT {most}") { KeepsLast = true };
        var taken = await into(source, cancellationToken);
        var found = source.Count < rows ? range : range with { UpTo = await LastRow.KeyAsync(_connection, table, source.Last, cancellationToken) };
        return new ReadRows(found, taken, source.Bytes);
    }

    async Task<ChunkRange> WithEndAsync(ChunkTable table, ChunkRange range, int rows, CancellationToken cancellationToken) =>
        range.UpTo is not null || !range.IsWhole ? range : range with { UpTo = await ChunkSql.LastKeyAsync(_connection, table, range.After, rows, cancellationToken) };

    public Task<ReadChunk> ReadKeysAsync(
        ChunkTable table, IReadOnlyList<IReadOnlyList<string>> keys, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        InSnapshotAsync(
            table with { From = null }, watched, () => CopyAsync(table with { From = null }, new ChunkRange(null, null) { Keys = keys }, ChunkSql.Keys(table.Table, keys), into, cancellationToken), cancellationToken);

    public Task<ReadChunk> FindMissingAsync(
        ChunkTable table, KeyRun run, WatchMark watched, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken) =>
        InSnapshotAsync(
            table, watched, async () => new ReadRows(new ChunkRange(null, null), 0, 0)
            {
                Swept = new SweptKeys(run, await KeyLookup.FindMissingAsync(_connection, table with { From = null }, run, cancellationToken)),
            }, cancellationToken);

    public async Task<string?> DescribeTransactionAsync(uint xid, CancellationToken cancellationToken)
    {
        var id = xid.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var beside = await BesideAsync(cancellationToken);
        var found = await beside.QueryAsync(
            $"""
            SELECT format('pid %s%s, %s since %s s%s', a.pid, nullif(', ' || coalesce(a.application_name, ''), ', '), coalesce(a.state, 'in a state that we may not see'),
                          coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::int::text, '?'),
                          CASE WHEN a.wait_event = 'SyncRep' THEN ', its commit waits for a synchronous standby (' || current_setting('synchronous_standby_names') || ')'
                               WHEN a.wait_event IS NOT NULL THEN ', waits: ' || a.wait_event ELSE '' END)
              FROM pg_stat_activity a WHERE a.backend_xid::text::bigint = {id}
            UNION ALL SELECT format('prepared as %L', p.gid) FROM pg_prepared_xacts p WHERE p.transaction::text::bigint = {id}
            """, cancellationToken);
        return found.Rows.Count == 0 ? null : found.RequiredText(0, 0);
    }

    public async Task<long> CountAsync(ChunkTable table, bool mayEstimate, CancellationToken cancellationToken) =>
        mayEstimate && table.Table.EstimatedBytes > LargestCounted
            ? await ChunkSql.EstimateAsync(_connection, table, cancellationToken)
            : (await _connection.QueryAsync($"SELECT count(*) FROM {ChunkSql.From(table.Table)} WHERE true{ChunkSql.Filter(table)}", cancellationToken)).Int64(0, 0);

    // Transactional: its commit is flushed, so that also what came before by asynchronous commits is streamed.
    public async Task NudgeAsync(CancellationToken cancellationToken)
    {
        var beside = await BesideAsync(cancellationToken);
        await beside.QueryAsync("SELECT pg_logical_emit_message(true, 'rosetta', '')", cancellationToken);
    }

    /// <summary>For what is done while a chunk is being read.</summary>
    async ValueTask<PgConnection> BesideAsync(CancellationToken cancellationToken)
    {
        if (_beside is null or { IsBroken: true })
            _beside = await SnapshotSession.OpenAsync(_connection.Endpoint, cancellationToken);
        return _beside;
    }

    async Task<ReadChunk> InSnapshotAsync(ChunkTable table, WatchMark watched, Func<Task<ReadRows>> read, CancellationToken cancellationToken)
    {
        var (found, snapshot, high) = await InSnapshotAsync(table, read, cancellationToken);
        return new ReadChunk(found.Range, snapshot, watched, high, found.Rows, found.Bytes) { Swept = found.Swept };
    }

    /// <summary>Reads in a snapshot of its own, with the position that every commit it shows lies below.</summary>
    async Task<(T Read, TransactionSnapshot Snapshot, Lsn High)> InSnapshotAsync<T>(ChunkTable table, Func<Task<T>> read, CancellationToken cancellationToken)
    {
        var name = table.Table.Name;
        try
        {
            // The statement's snapshot is the transaction's; every commit that it shows was in the WAL before, so below the position that the same statement sees.
            var begun = await _connection.QueryAsync(
                $"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {name.ToSql()} IN ACCESS SHARE MODE; {BegunSql(name)}", cancellationToken);
            var snapshot = TransactionSnapshot.Parse(begun.RequiredText(0, 0));
            var high = Lsn.Parse(begun.RequiredText(0, 1));
            await RequireShapeAsync(table, string.Join('|', Enumerable.Range(3, 3).Select(i => begun.Text(0, i))), cancellationToken);
            if (table.From is { } from && begun.Int64(0, 2) != from.File)
                throw new TableRewrittenException(name);
            await KeyLookup.MakeOperatorsVisibleAsync(_connection, table.Table, cancellationToken);
            var found = await read();
            await _connection.QueryAsync("COMMIT", cancellationToken);
            return (found, snapshot, BeforeHeader(high));
        }
        catch (Exception e)
        {
            if (!_connection.IsBroken)
                await _connection.QueryAsync("ROLLBACK", CancellationToken.None);
            if (e is PgServerException { SqlState: "42P01" or "3F000" })
                throw new TableRewrittenException(name, e);
            throw;
        }
    }

    /// <summary>What a chunk has to know of its transaction and its table, in one round trip.</summary>
    static string BegunSql(TableName name) =>
        $"""
        SELECT pg_current_snapshot(), pg_current_wal_insert_lsn(), coalesce(pg_relation_filenode(c.oid), 0), c.oid,
               (SELECT string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, a.attgenerated), ',' ORDER BY a.attnum)
                  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
               (SELECT i.indkey FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
          FROM pg_class c WHERE c.oid = {SqlIdentifier.Literal(name.ToSql())}::regclass
        """;

    /// <summary>A whole description costs as much as a small chunk, so it is made once for each shape that is seen.</summary>
    async Task RequireShapeAsync(ChunkTable table, string shape, CancellationToken cancellationToken)
    {
        if (_seen.Table == table && _seen.Shape == shape)
            return;
        if (await DescribeAsync(table.Table.Name, table.Columns, cancellationToken) is not { } now || !HasShapeOf(now, table))
            throw new TableRewrittenException(table.Table.Name);
        _seen = (table, shape, await ChunkSql.IsOrderedAsync(_connection, table.Table, cancellationToken));
    }

    async Task<ReadRows> CopyAsync(
        ChunkTable table, ChunkRange range, string condition, Func<ICopySource, CancellationToken, Task<long>> into, CancellationToken cancellationToken)
    {
        var source = new Rows(_connection, table, condition + ChunkSql.Filter(table));
        var rows = await into(source, cancellationToken);
        return new ReadRows(range, rows, source.Bytes);
    }

    sealed record ReadRows(ChunkRange Range, long Rows, long Bytes)
    {
        public SweptKeys? Swept { get; init; }
    }

    // The insert position may stand right behind a page's header while the stream, which has all records, stands before it.
    static Lsn BeforeHeader(Lsn lsn) => lsn.Value % WalPage <= LongestPageHeader ? new Lsn(lsn.Value - (lsn.Value % WalPage)) : lsn;

    static bool HasShapeOf(ChunkTable now, ChunkTable table) =>
        now.Table.Oid == table.Table.Oid && now.Key.SequenceEqual(table.Key)
        && table.Columns.All(c => now.Table.Columns.FirstOrDefault(n => n.Name == c) is { } n && n.TypeSql == table.Table.Columns.First(t => t.Name == c).TypeSql);

    public async ValueTask DisposeAsync()
    {
        if (_beside is not null)
            await _beside.DisposeAsync();
        await _connection.DisposeAsync();
    }

    /// <param name="condition">With what follows it in a SELECT.</param>
    sealed class Rows(PgConnection connection, ChunkTable table, string condition) : ICopySource
    {
        byte[] _last = [];
        int _lastLength;

        public IReadOnlyList<string> ColumnNames => table.Columns;

        public long Bytes { get; private set; }

        public long Count { get; private set; }

        long? ICopySource.Rows => Count;

        public bool KeepsLast { get; init; }

        /// <summary>The last row that was read.</summary>
        public ReadOnlyMemory<byte> Last => _last.AsMemory(0, _lastLength);

        public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var columns = string.Join(", ", table.Columns.Select(SqlIdentifier.Quote));
            await using var copy = await connection.CopyOutAsync(
                $"COPY (SELECT {columns} FROM {ChunkSql.From(table.Table)} WHERE {condition}) TO STDOUT{(table.Format == CopyFormat.Binary ? " (FORMAT binary)" : "")}",
                cancellationToken);
            while (await copy.ReadAsync(cancellationToken: cancellationToken) is { } chunk)
            {
                using (chunk)
                {
                    Bytes += chunk.Length;
                    Count += chunk.RowCount;
                    if (KeepsLast && chunk.RowCount > 0)
                        Keep(chunk.LastRow.Span);
                    yield return chunk.Memory;
                }
            }
        }

        void Keep(ReadOnlySpan<byte> row)
        {
            if (row.Length > _last.Length)
                _last = new byte[row.Length * 2];
            row.CopyTo(_last);
            _lastLength = row.Length;
        }
    }
}
