using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>One session inside an imported snapshot. Not thread-safe: one table at a time.</summary>
public sealed class SnapshotWorker(PgConnection connection, Lsn since) : IAsyncDisposable
{
    /// <summary>See <see cref="SnapshotExport.Since"/>.</summary>
    public Lsn Since { get; } = since;

    /// <summary>The session, and with it this worker's hold on the snapshot, is lost.</summary>
    public bool IsBroken => connection.IsBroken;

    /// <summary>The table as it was in the snapshot; null when it was not there.</summary>
    public async Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) =>
        (await SourceCatalog.FindAsync(connection, table, cancellationToken))?.Description;

    /// <summary>The same of many tables; those that were not there are left out.</summary>
    public async Task<IReadOnlyList<TableDescription>> DescribeManyAsync(IReadOnlyList<TableName> tables, CancellationToken cancellationToken) =>
        [.. (await SourceCatalog.FindAsync(connection, tables, cancellationToken)).Select(t => t.Description)];

    /// <summary>The rows of a table as they were in the snapshot, in COPY's form.</summary>
    /// <param name="table">From <see cref="DescribeAsync"/> of a worker on the same snapshot.</param>
    /// <param name="columns">The wanted columns; null for all. Generated ones are always left out, as in the stream.</param>
    /// <param name="rowFilter">An expression of the source's publication (<see cref="Source.PublicationFacts.RowFilterOf"/>), null for all rows.</param>
    public SnapshotCopySource CopyOut(TableDescription table, IReadOnlyList<string>? columns = null, string? rowFilter = null)
    {
        var wanted = table.Columns.Where(c => c.Generated is null && (columns is null || columns.Contains(c.Name))).ToList();
        var format = wanted.All(c => c.HasBinaryForm) ? CopyFormat.Binary : CopyFormat.Text;
        return new SnapshotCopySource(connection, table, [.. wanted.Select(c => c.Name)], format, rowFilter);
    }

    /// <summary>The rows of a table after a key, so many at most, in the key's order.</summary>
    /// <param name="range">Told what the rows are, before the first of them.</param>
    public SnapshotCopySource CopyRangeOut(ChunkTable table, IReadOnlyList<string>? after, int rows, Action<ChunkRange> range) => new(
        connection, table.Table, table.Columns, table.Format, table.RowFilter, async cancellationToken =>
        {
            // Until the table's lock is given back, and what was set since with it.
            await KeyLookup.MakeOperatorsVisibleAsync(connection, table.Table, cancellationToken);
            var found = new ChunkRange(after, await ChunkSql.LastKeyAsync(connection, table, after, rows, cancellationToken));
            range(found);
            return ChunkSql.Range(table.Table, found);
        });

    /// <summary>
    /// The pages of a table, if it can be copied in their order: one of storage of its own, of whose rows no value is stored out of line. The stream leaves out
    /// such values, and a row that had not been copied yet could then not be made from what it tells.
    /// </summary>
    public async Task<PageMark?> FindPagesAsync(TableDescription table, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint, c.relfilenode FROM pg_class c JOIN pg_am a ON a.oid = c.relam
                 WHERE c.oid = {table.Oid} AND c.relkind = 'r' AND a.amname = 'heap' AND c.relfilenode <> 0 AND (c.reltoastrelid = 0 OR pg_relation_size(c.reltoastrelid) = 0)
                """), cancellationToken);
        return found.Rows.Count == 0 || found.Text(0, 0) is null ? null : new PageMark(found.Int64(0, 0), (uint)found.Int64(0, 1));
    }

    /// <summary>The rows of a table on some of its pages.</summary>
    /// <param name="to">The first page that is not read; null: to the end.</param>
    public SnapshotCopySource CopyPagesOut(ChunkTable table, long from, long? to) => new(
        connection, table.Table, table.Columns, table.Format, table.RowFilter, _ => ValueTask.FromResult<string?>(ChunkSql.Pages(from, to)));

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
