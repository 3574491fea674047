using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// Makes indexes, constraints and comments of a table that streams, without holding up the stream: indexes CONCURRENTLY, constraints NOT VALID and then
/// validated. What is there already, by its name, is left as it is, so that it can be done again after whatever cut it.
/// </summary>
sealed class ExtraMaker(PgConnection connection, TargetTable table, TableExtras wanted, bool replicaRole)
{
    const string NotValid = " NOT VALID";

    string Target => table.Name.ToSql();

    /// <returns>Why it is missing; null when it is there.</returns>
    public async ValueTask<MissingExtra?> MakeAsync(TableExtra extra, CancellationToken cancellationToken)
    {
        if (Hindrance(extra) is { } reason)
            return new MissingExtra($"{Describe(extra)} was not made: {reason}.", $"None needed; to have it nevertheless: {Sql(extra)};");
        try
        {
            switch (extra.Kind)
            {
                case TableExtraKind.Index or TableExtraKind.UniqueIndex:
                    await IndexAsync(extra, cancellationToken);
                    break;
                case TableExtraKind.UniqueConstraint:
                    if (await IsValidConstraintAsync(extra, cancellationToken) is not null)
                        break;
                    await IndexAsync(extra, cancellationToken);
                    await RunAsync($"ALTER TABLE {Target} ADD CONSTRAINT {Name(extra)} UNIQUE USING INDEX {Name(extra)}", cancellationToken);
                    break;
                case TableExtraKind.Exclusion:
                    if (await IsValidConstraintAsync(extra, cancellationToken) is null)
                        await RunAsync(Sql(extra), cancellationToken);
                    break;
                case TableExtraKind.Check or TableExtraKind.ForeignKey:
                    await ValidatedAsync(extra, cancellationToken);
                    break;
                default:
                    if (!await HasCommentAsync(extra, cancellationToken))
                        await RunAsync(Sql(extra), cancellationToken);
                    break;
            }

            return null;
        }
        catch (PgServerException e) when (!e.IsFatal && ErrorPolicy.Classify(e.SqlState) is not ErrorClass.Transient)
        {
            return new MissingExtra($"{Describe(extra)} could not be made: {e.Error.Text}.", $"Mend the cause, then at the destination: {Sql(extra)};");
        }
    }

    /// <summary>What would stop or slow the stream, or cannot be.</summary>
    string? Hindrance(TableExtra extra) => extra switch
    {
        { Constrains: true } when wanted.IsTransformed => "rows are made by a transform, and one that it does not admit would stop the table",
        { Kind: TableExtraKind.UniqueConstraint or TableExtraKind.Exclusion, IsDeferrable: true } => "it is DEFERRABLE, and changes would have to be applied one by one",
        { Kind: TableExtraKind.ForeignKey } when !replicaRole =>
            "the role may not set session_replication_role, so that it would act while changes are applied (GRANT SET ON PARAMETER session_replication_role)",
        { Kind: TableExtraKind.ForeignKey, References: { } other } when !wanted.Targets.ContainsKey(other) => $"{other} is not replicated to this destination",
        _ => null,
    };

    async ValueTask IndexAsync(TableExtra extra, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"SELECT i.indisvalid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {table.Oid} AND c.relname = {SqlIdentifier.Literal(extra.Name)}",
            cancellationToken);
        if (found.Rows.Count > 0 && found.Text(0, 0) == "t")
            return;
        if (found.Rows.Count > 0)
            await DropAsync(extra, cancellationToken);
        try
        {
            // It waits for transactions that are open anywhere here, as long as these take.
            await connection.QueryAsync("SET lock_timeout = 0", cancellationToken);
            await connection.QueryAsync(IndexSql(extra, table.Kind == 'p' ? "" : "CONCURRENTLY "), cancellationToken);
            Failpoint.Hit(FailpointNames.ExtrasStatementDone);
        }
        catch (PgServerException e) when (!e.IsFatal && e.SqlState != "42P07")
        {
            await DropAsync(extra, cancellationToken);
            throw;
        }
    }

    /// <summary>What a failed attempt has left is of no use, and costs every change.</summary>
    async ValueTask DropAsync(TableExtra extra, CancellationToken cancellationToken) => await connection.QueryAsync(
        $"DROP INDEX {(table.Kind == 'p' ? "" : "CONCURRENTLY ")}IF EXISTS {SqlIdentifier.Quote(table.Name.Schema)}.{Name(extra)}", cancellationToken);

    async ValueTask ValidatedAsync(TableExtra extra, CancellationToken cancellationToken)
    {
        var valid = await IsValidConstraintAsync(extra, cancellationToken);
        if (valid is null)
            await RunAsync($"{Sql(extra)}{(extra.Sql.EndsWith(NotValid, StringComparison.Ordinal) ? "" : NotValid)}", cancellationToken);
        if (valid != true && !extra.Sql.EndsWith(NotValid, StringComparison.Ordinal))
            await RunAsync($"ALTER TABLE {Target} VALIDATE CONSTRAINT {Name(extra)}", cancellationToken);
    }

    async ValueTask<bool> HasCommentAsync(TableExtra extra, CancellationToken cancellationToken)
    {
        var column = extra.Kind == TableExtraKind.ColumnComment
            ? $"(SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = {table.Oid} AND attname = {SqlIdentifier.Literal(extra.Name)})" : "0";
        var found = await connection.QueryAsync(
            $"SELECT description FROM pg_catalog.pg_description WHERE objoid = {table.Oid} AND classoid = 'pg_catalog.pg_class'::regclass AND objsubid = {column}", cancellationToken);
        return found.Rows.Count > 0 && found.Text(0, 0) == extra.Sql;
    }

    async ValueTask<bool?> IsValidConstraintAsync(TableExtra extra, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"SELECT convalidated FROM pg_catalog.pg_constraint WHERE conrelid = {table.Oid} AND conname = {SqlIdentifier.Literal(extra.Name)}", cancellationToken);
        return found.Rows.Count == 0 ? null : found.Text(0, 0) == "t";
    }

    // ALTER TABLE waits behind every reader, and every new one behind it: not for long, it is tried again.
    async ValueTask RunAsync(string sql, CancellationToken cancellationToken)
    {
        await connection.QueryAsync("SET lock_timeout = '3s'", cancellationToken);
        await connection.QueryAsync(sql, cancellationToken);
        Failpoint.Hit(FailpointNames.ExtrasStatementDone);
    }

    /// <summary>The whole of it, as somebody would write it by hand.</summary>
    string Sql(TableExtra extra) => extra.Kind switch
    {
        TableExtraKind.Index or TableExtraKind.UniqueIndex => IndexSql(extra, ""),
        TableExtraKind.UniqueConstraint => $"{IndexSql(extra, "")}; ALTER TABLE {Target} ADD CONSTRAINT {Name(extra)} UNIQUE USING INDEX {Name(extra)}",
        TableExtraKind.TableComment => $"COMMENT ON TABLE {Target} IS {SqlIdentifier.Literal(extra.Sql)}",
        TableExtraKind.ColumnComment => $"COMMENT ON COLUMN {Target}.{Name(extra)} IS {SqlIdentifier.Literal(extra.Sql)}",
        TableExtraKind.ForeignKey => $"ALTER TABLE {Target} ADD CONSTRAINT {Name(extra)} {ForeignKey(extra)}",
        _ => $"ALTER TABLE {Target} ADD CONSTRAINT {Name(extra)} {extra.Sql}",
    };

    string IndexSql(TableExtra extra, string how) => $"CREATE {(extra.Kind == TableExtraKind.Index ? "" : "UNIQUE ")}INDEX {how}{Name(extra)} ON {Target} {extra.Sql}";

    string ForeignKey(TableExtra extra) =>
        extra.Sql.Replace(TableExtra.Referenced, (wanted.Targets.GetValueOrDefault(extra.References!.Value) is { Name: not null } target ? target : extra.References.Value).ToSql(), StringComparison.Ordinal);

    static string Name(TableExtra extra) => SqlIdentifier.Quote(extra.Name);

    string Describe(TableExtra extra) => extra.Kind switch
    {
        TableExtraKind.Index or TableExtraKind.UniqueIndex => $"Index {extra.Name} of {table.Name}",
        TableExtraKind.TableComment => $"The comment of {table.Name}",
        TableExtraKind.ColumnComment => $"The comment of column {extra.Name} of {table.Name}",
        TableExtraKind.ForeignKey => $"Foreign key {extra.Name} of {table.Name}",
        _ => $"Constraint {extra.Name} of {table.Name}",
    };
}
