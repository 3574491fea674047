using System.Text.Json;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Evolution;

/// <summary>
/// Makes the types, and their schemas, that a table's columns need and that the destination does not have, and adds labels an enum got at the source.
/// In short transactions of its own: several tables that are copied at once may need the same type, and a label may only be used once its
/// transaction has committed.
/// </summary>
static class TypeMaker
{
    const long LockKey = 0x726F736574747970;

    /// <exception cref="FaultException">A type cannot be made here; the remedy is its SQL.</exception>
    public static async ValueTask EnsureAsync(PgConnection connection, IReadOnlyList<TypeDefinition> types, CancellationToken cancellationToken)
    {
        foreach (var type in types)
        {
            if (!await ExistsAsync(connection, type, cancellationToken))
                await CreateAsync(connection, type, cancellationToken);
            else if (type.Kind == TypeKind.Enum)
                await AddLabelsAsync(connection, type, cancellationToken);
        }
    }

    public static ValueTask EnsureSchemaAsync(PgConnection connection, string schema, CancellationToken cancellationToken) =>
        RunAsync(connection, schema, $"CREATE SCHEMA IF NOT EXISTS {SqlIdentifier.Quote(schema)}", cancellationToken);

    static async ValueTask<bool> ExistsAsync(PgConnection connection, TypeDefinition type, CancellationToken cancellationToken)
    {
        var sql = type.Kind == TypeKind.Extension
            ? $"SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = {SqlIdentifier.Literal(type.Name)})"
            : $"SELECT EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = {SqlIdentifier.Literal(type.Schema)} AND t.typname = {SqlIdentifier.Literal(type.Name)})";
        return (await connection.QueryAsync(sql, cancellationToken)).Text(0, 0) == "t";
    }

    static async ValueTask CreateAsync(PgConnection connection, TypeDefinition type, CancellationToken cancellationToken)
    {
        try
        {
            await EnsureSchemaAsync(connection, type.Schema, cancellationToken);
            // Somebody else may have made it while we waited for the lock.
            await connection.QueryAsync($"BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({LockKey})", cancellationToken);
            if (!await ExistsAsync(connection, type, cancellationToken))
                await connection.QueryAsync(type.CreateSql, cancellationToken);
            await connection.QueryAsync("COMMIT", cancellationToken);
        }
        catch (PgServerException e) when (!e.IsFatal && ErrorPolicy.Classify(e.SqlState) != ErrorClass.Transient)
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            throw new FaultException(
                new Fault(ErrorClass.Table, $"The type {type.ToSql()} cannot be made at the destination ({e.Error.Text}).", $"{Prepare(connection, type)}{type.CreateSql};", e.SqlState)
                {
                    ForLog = $"The type {type.ToSql()} cannot be made at the destination ({e.Message}).",
                },
                e);
        }
    }

    // For whoever may: we have to be able to name the type afterwards.
    static string Prepare(PgConnection connection, TypeDefinition type)
    {
        var schema = SqlIdentifier.Quote(type.Schema);
        return $"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO {SqlIdentifier.Quote(connection.Endpoint.User)}; ";
    }

    static async ValueTask AddLabelsAsync(PgConnection connection, TypeDefinition type, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"SELECT coalesce(json_agg(enumlabel), '[]') FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype({SqlIdentifier.Literal(type.ToSql())})", cancellationToken);
        var labels = JsonSerializer.Deserialize<HashSet<string>>(found.RequiredText(0, 0)) ?? [];
        for (var i = 0; i < type.Labels.Count; i++)
        {
            if (!labels.Add(type.Labels[i]))
                continue;
            // Its neighbour is there: an older label, or one just added. The order of labels is the order of values.
            var place = i > 0
                ? $"AFTER {SqlIdentifier.Literal(type.Labels[i - 1])}"
                : type.Labels.Skip(1).FirstOrDefault(labels.Contains) is { } next ? $"BEFORE {SqlIdentifier.Literal(next)}" : "";
            var sql = $"ALTER TYPE {type.ToSql()} ADD VALUE IF NOT EXISTS {SqlIdentifier.Literal(type.Labels[i])} {place}".TrimEnd();
            try
            {
                await connection.QueryAsync(sql, cancellationToken);
            }
            catch (PgServerException e) when (e.SqlState == "42501")
            {
                throw new FaultException(
                    new Fault(
                        ErrorClass.Table, $"The label {type.Labels[i]} of the enum {type.ToSql()} cannot be added at the destination ({e.Error.Text}).",
                        $"ALTER TYPE {type.ToSql()} OWNER TO {SqlIdentifier.Quote(connection.Endpoint.User)};", e.SqlState)
                    {
                        ForLog = $"A label of the enum {type.ToSql()} cannot be added at the destination ({e.Message}).",
                    },
                    e);
            }
        }
    }

    static async ValueTask RunAsync(PgConnection connection, string schema, string sql, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync($"SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {SqlIdentifier.Literal(schema)})", cancellationToken);
        if (found.Text(0, 0) == "t")
            return;
        await connection.QueryAsync($"BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({LockKey}); {sql}; COMMIT", cancellationToken);
    }
}
