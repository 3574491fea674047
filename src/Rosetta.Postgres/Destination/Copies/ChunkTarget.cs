using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Makes a table ready to be copied into by chunks, and stores that its copy has begun.</summary>
sealed class ChunkTarget(PgConnection connection, PositionRow row, TableClaims claims, bool replicaRole)
{
    /// <param name="resumes">An earlier incarnation began; what it stored stays.</param>
    /// <param name="isOurs">The rows that are there came by an earlier copy of ours, and changes have been applied to them since.</param>
    /// <returns>Null: such a table cannot be copied by chunks, only in one snapshot.</returns>
    public async ValueTask<CopyTarget?> MakeAsync(ChunkedCopy copy, bool resumes, bool isOurs, CancellationToken cancellationToken)
    {
        var table = copy.Table.Table;
        var whole = new TableCopy(copy.Route, table, copy.Since, false, copy.Table.Format, null);
        if (table.PrimaryKey.Count == 0 || !table.PrimaryKey.All(copy.Table.Columns.Contains) || !HasIdentity(table))
            return null;
        if (copy.Purpose == ChunkPurpose.Copy)
            await CopyTarget.PrepareAsync(connection, whole, cancellationToken);
        await claims.TakeAsync(connection, copy.Route, cancellationToken, begin: true);
        var target = await CopyTarget.MakeAsync(
            connection, whole, copy.Table.Columns, mayHaveRows: copy.Replace || isOurs || copy.Purpose != ChunkPurpose.Copy, cancellationToken);
        if (!Takes(table, target))
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            return null;
        }

        if (copy.Purpose != ChunkPurpose.Copy)
        {
            // The table streams: it is as it should be, and nothing is stored about it.
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            return target;
        }

        var begins = resumes
            ? null
            : StoredTables.CopyingSql(row, copy.Route.Source, copy.Route.Target, copy.Since, [.. copy.Table.Columns, .. copy.Route.Options.ColumnNames], table.Oid, copy.Replace, copy.Transform);
        await row.CommitAsync(connection, cancellationToken, first: begins);
        return target;
    }

    // The stream must say which row an update or delete is about by the primary key.
    static bool HasIdentity(TableDescription table) =>
        table.ReplicaIdentity == 'f' || (table.HasReplicaIdentity && table.PrimaryKey.All(table.IdentityColumns.Contains));

    bool Takes(TableDescription table, CopyTarget target) =>
        target.Table.PrimaryKey.SequenceEqual(table.PrimaryKey) && !target.Table.HasDeferrable
        && (replicaRole || target.Table is { HasUserTriggers: false, HasForeignKeys: false, ReferencedBy.Count: 0 });
}
