using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <content>A table as a whole, in one snapshot.</content>
public sealed partial class ChunkSource
{
    public async Task<IWholeSnapshot> BeginWholeAsync(ChunkTable table, CancellationToken cancellationToken)
    {
        if (_digest is not { Sql: { } sql } known || known.Table != table.Table.Oid || !known.Columns.SequenceEqual(table.Columns))
            throw new InvalidOperationException($"A digest of {table.Table.Name} was asked for without asking whether there is one.");
        try
        {
            // What the snapshot shows was in the WAL before, so below the position that the same statement sees.
            var begun = await _connection.QueryAsync(
                $"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {table.Table.Name.ToSql()} IN ACCESS SHARE MODE; SELECT pg_current_snapshot(), pg_current_wal_insert_lsn()", cancellationToken);
            var snapshot = TransactionSnapshot.Parse(begun.RequiredText(0, 0));
            var high = Lsn.Parse(begun.RequiredText(0, 1));
            if (await DescribeAsync(table.Table.Name, table.Columns, cancellationToken) is not { } now || !HasShapeOf(now, table))
                throw new TableRewrittenException(table.Table.Name);
            return new WholeSnapshot(_connection, sql.ReadWhole(ChunkSql.From(table.Table), $"true{ChunkSql.Filter(table)}"), snapshot, BeforeHeader(high));
        }
        catch (Exception e)
        {
            if (!_connection.IsBroken)
                await _connection.QueryAsync("ROLLBACK", CancellationToken.None);
            if (e is PgServerException { SqlState: "42P01" or "3F000" })
                throw new TableRewrittenException(table.Table.Name, e);
            throw;
        }
    }

    sealed class WholeSnapshot(PgConnection connection, string sql, TransactionSnapshot snapshot, Lsn high) : IWholeSnapshot
    {
        public TransactionSnapshot Snapshot => snapshot;

        public Lsn High => high;

        public async Task<BucketDigest> ReadAsync(CancellationToken cancellationToken) => DigestSql.ParseWhole(await connection.QueryAsync(sql, cancellationToken));

        public async ValueTask DisposeAsync()
        {
            if (!connection.IsBroken && connection.TransactionStatus != PgTransactionStatus.Idle)
                await connection.QueryAsync("ROLLBACK", CancellationToken.None);
        }
    }
}
