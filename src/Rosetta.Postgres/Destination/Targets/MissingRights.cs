using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Targets;

/// <summary>What our role lacks at the destination to make, fill and change a table, as the SQL that grants it. By the catalog: messages may be translated.</summary>
static class MissingRights
{
    static readonly string[] Needed = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"];

    /// <returns>Statements for whoever may grant; null when nothing is found to be missing.</returns>
    public static async ValueTask<string?> SqlAsync(PgConnection connection, TableName target, CancellationToken cancellationToken)
    {
        var user = SqlIdentifier.Quote(connection.Endpoint.User);
        var schema = SqlIdentifier.Quote(target.Schema);
        var result = await connection.QueryAsync(
            $"""
            SELECT n.oid IS NOT NULL, has_database_privilege(current_database(), 'CREATE'), has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),
                   c.oid IS NOT NULL, pg_has_role(c.relowner, 'USAGE'), {string.Join(", ", Needed.Select(r => $"has_table_privilege(c.oid, '{r}')"))}
              FROM (VALUES ({SqlIdentifier.Literal(target.Schema)}, {SqlIdentifier.Literal(target.Name)})) AS wanted (nspname, relname)
              LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.nspname
              LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
            """, cancellationToken);
        bool Has(int column) => result.Text(0, column) == "t";
        var (hasSchema, hasTable) = (Has(0), Has(4));
        if (!hasSchema)
            return Has(1) ? null : $"GRANT CREATE ON DATABASE {SqlIdentifier.Quote(connection.Endpoint.Database)} TO {user};";
        var statements = new List<string>();
        string[] onSchema = [.. Has(2) ? (string[])[] : ["USAGE"], .. hasTable || Has(3) ? (string[])[] : ["CREATE"]];
        if (onSchema.Length > 0)
            statements.Add($"GRANT {string.Join(", ", onSchema)} ON SCHEMA {schema} TO {user};");
        var onTable = Needed.Where((_, i) => hasTable && !Has(6 + i)).ToList();
        if (onTable.Count > 0)
            statements.Add($"GRANT {string.Join(", ", onTable)} ON {target.ToSql()} TO {user};");
        // Everything else that can be refused about a table (a new column) takes its owner.
        if (statements.Count == 0 && hasTable && !Has(5))
            statements.Add($"ALTER TABLE {target.ToSql()} OWNER TO {user};");
        return statements.Count == 0 ? null : string.Join(' ', statements);
    }
}
