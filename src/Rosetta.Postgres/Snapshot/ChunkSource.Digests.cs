using Rosetta.Core.Chunks;

namespace Rosetta.Postgres.Snapshot;

/// <content>Digests of ranges instead of their rows.</content>
public sealed partial class ChunkSource
{
    (uint Table, IReadOnlyList<string> Columns, DigestSql? Sql)? _digest;

    public async Task<string?> DescribeDigestAsync(ChunkTable table, CancellationToken cancellationToken)
    {
        var sql = await DigestSql.DescribeAsync(_connection, table.Table.Oid, table, cancellationToken);
        _digest = (table.Table.Oid, table.Columns, sql);
        return sql?.Form;
    }

    public async Task<ReadDigest> ReadDigestAsync(ChunkTable table, ChunkRange range, int rows, WatchMark watched, CancellationToken cancellationToken)
    {
        if (_digest is not { Sql: { } sql } known || known.Table != table.Table.Oid || !known.Columns.SequenceEqual(table.Columns))
            throw new InvalidOperationException($"Digests of {table.Table.Name} were asked for without asking whether there are any.");
        var ((found, digest), snapshot, high) = await InSnapshotAsync(
            table, async () =>
            {
                await _connection.QueryAsync(DigestSql.Settings, cancellationToken);
                var whole = await WithEndAsync(table, range, rows, cancellationToken);
                var where = $"{ChunkSql.Range(table.Table, whole, "t.")}{ChunkSql.Filter(table)}";
                return (whole, DigestSql.Parse(await _connection.QueryAsync(sql.Read(table.Table, ChunkSql.From(table.Table), where), cancellationToken)));
            }, cancellationToken);
        return new ReadDigest(found, snapshot, watched, high, digest);
    }
}
