using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

/// <summary>What the preflight says about one table: pure.</summary>
static class TableChecks
{
    /// <summary>Types whose binary form is an OID of the source's catalog.</summary>
    static readonly HashSet<string> CatalogReferences =
    [
        "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc", "regprocedure", "regrole", "regtype",
    ];

    /// <param name="version">server_version_num.</param>
    /// <param name="users">The user's own publication, null when the pipeline makes its own.</param>
    public static IEnumerable<PreflightFinding> Check(SourceTable table, string user, int version, PublicationFacts? users)
    {
        var sql = table.Name.ToSql();
        var role = SqlIdentifier.Quote(user);
        if (table.IsUnlogged)
            yield return Error(table, PreflightChecks.Unlogged, "is unlogged: its changes are not in the WAL.", $"ALTER TABLE {sql} SET LOGGED;");
        if (!table.HasSchemaUsage || !table.CanSelect)
        {
            var usage = table.HasSchemaUsage ? "" : PublicationEditor.SchemaUsageSql(table, user);
            var select = table.CanSelect ? "" : $"GRANT SELECT ON {sql} TO {role};";
            yield return Error(table, PreflightChecks.SelectPrivilege, $"cannot be read by role {user}.", string.Join('\n', new[] { usage, select }.Where(s => s.Length > 0)));
        }

        if (table.RowSecurityApplies)
        {
            yield return Error(
                table, PreflightChecks.RowSecurity, $"has row level security that hides rows from role {user}: a copy would lack them.",
                $"ALTER ROLE {role} BYPASSRLS;");
        }

        if (table.Description is { ReplicaIdentity: 'f', PrimaryKey.Count: 0 })
        {
            yield return Warning(
                table, PreflightChecks.ReplicaIdentity,
                "has REPLICA IDENTITY FULL and no primary key: a destination reads its whole table for each UPDATE and DELETE of a row. "
                    + "Give it a key (columns of its own that are unique and NOT NULL serve as well), then resync it.",
                table.CandidateIndex is { } candidate
                    ? $"ALTER TABLE {sql} REPLICA IDENTITY USING INDEX {SqlIdentifier.Quote(candidate)};"
                    : $"ALTER TABLE {sql} ADD COLUMN {SqlIdentifier.Quote(FreeName(table))} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;");
        }

        foreach (var finding in Types(table))
            yield return finding;
        foreach (var finding in users is null ? Own(table, user, version) : Published(table, users, version))
            yield return finding;
    }

    static IEnumerable<PreflightFinding> Own(SourceTable table, string user, int version)
    {
        if (!table.IsOwner && !table.IsPublished)
        {
            yield return Error(
                table, PreflightChecks.PublicationPrivilege,
                $"belongs to {table.Owner}: only its owner may publish it. Or make a publication named as the source's publication_name yourself.",
                PublicationEditor.OwnershipSql(table, user));
        }

        if (!table.Description.HasReplicaIdentity)
            yield return Warning(table, PreflightChecks.ReplicaIdentity, $"{Lacks(table)}: UPDATE and DELETE are not replicated (INSERT_ONLY).", IdentitySql(table, version));
    }

    static IEnumerable<PreflightFinding> Published(SourceTable table, PublicationFacts users, int version)
    {
        var memberships = users.Publications.SelectMany(p => p.Tables.Where(t => t.Table == table.Name).Select(t => (Publication: p, Table: t))).ToList();
        if (memberships.Count == 0)
        {
            yield return Error(
                table, PreflightChecks.Publication, $"is not in publication {users.Publications[0].Name}, which the source uses as it is.",
                $"ALTER PUBLICATION {SqlIdentifier.Quote(users.Publications[0].Name)} ADD TABLE ONLY {table.Name.ToSql()};");
            yield break;
        }

        var changing = memberships.Where(m => m.Publication.Update || m.Publication.Delete).ToList();
        if (changing.Count > 0 && !table.Description.HasReplicaIdentity)
        {
            yield return Warning(
                table, PreflightChecks.ReplicaIdentity,
                $"{Lacks(table)}, and publication {changing[0].Publication.Name} publishes its UPDATE and DELETE: PostgreSQL refuses those to the application.",
                IdentitySql(table, version));
        }

        foreach (var (publication, published) in memberships)
        {
            if (published.Columns is { } columns && table.Description.IdentityColumns.Any(c => !columns.Contains(c)))
            {
                yield return Error(
                    table, PreflightChecks.ColumnList, $"has a column list in publication {publication.Name} that leaves out its replica identity.",
                    Republish(publication, published, published.RowFilter));
            }

            if (published.RowFilter is not null)
            {
                yield return new PreflightFinding(
                    FindingSeverity.Info, PreflightChecks.RowFilter,
                    $"Table {table.Name} has a row filter in publication {publication.Name}: only its rows are replicated.", null, table.Name);
            }

            if (published.FilterColumns.Count > 0 && (publication.Update || publication.Delete) && table.Description.ReplicaIdentity != 'f'
                && published.FilterColumns.Any(c => !table.Description.IdentityColumns.Contains(c)))
            {
                yield return Error(
                    table, PreflightChecks.RowFilter,
                    $"has a row filter in publication {publication.Name} on columns outside its replica identity: PostgreSQL refuses UPDATE and DELETE to the application.",
                    $"ALTER TABLE {table.Name.ToSql()} REPLICA IDENTITY FULL;");
            }
        }
    }

    static IEnumerable<PreflightFinding> Types(SourceTable table)
    {
        if (table.UndecodableColumns.Count > 0)
        {
            yield return Error(
                table, PreflightChecks.Types, $"has columns whose type cannot be sent: {string.Join(", ", table.UndecodableColumns)}.",
                ToText(table, table.UndecodableColumns));
        }

        var references = table.Description.Columns.Where(c => c.Generated is null && CatalogReferences.Contains(c.TypeSql.Replace("[]", "", StringComparison.Ordinal)))
            .Select(c => c.Name).ToList();
        if (references.Count > 0)
        {
            yield return Error(
                table, PreflightChecks.Types,
                $"has columns that hold OIDs of the source's catalog, which mean something else on another server: {string.Join(", ", references)}.",
                ToText(table, references));
        }

        if (table.Description.Columns.Any(c => c.TypeSql is "money" or "money[]"))
        {
            yield return Warning(
                table, PreflightChecks.Types,
                "has a column of type money: the same bytes are another amount where lc_monetary has another number of decimal places.", null);
        }
    }

    static string FreeName(SourceTable table)
    {
        var name = "row_id";
        while (table.Description.Columns.Any(c => c.Name == name))
            name += "_";
        return name;
    }

    static string Lacks(SourceTable table) => table.Description.IdentityIsGenerated
        ? "has a replica identity that rests on generated columns"
        : "has no replica identity";

    /// <summary>The cheapest identity that the table can have; null when there is none without changing its columns.</summary>
    static string? IdentitySql(SourceTable table, int version)
    {
        var sql = table.Name.ToSql();
        if (table.CandidateIndex is { } index)
            return $"ALTER TABLE {sql} REPLICA IDENTITY USING INDEX {SqlIdentifier.Quote(index)};";
        // Since 18 a generated column spoils FULL too.
        var spoiled = version >= 180000 && table.Description.Columns.Any(c => c.Generated is not null);
        return spoiled || table.Description.ReplicaIdentity == 'f' ? null : $"ALTER TABLE {sql} REPLICA IDENTITY FULL;";
    }

    static string Republish(PublicationFact publication, PublishedTable table, string? filter)
    {
        var name = SqlIdentifier.Quote(publication.Name);
        return $"ALTER PUBLICATION {name} DROP TABLE ONLY {table.Table.ToSql()};\n"
            + $"ALTER PUBLICATION {name} ADD TABLE ONLY {table.Table.ToSql()}{(filter is null ? "" : $" WHERE ({filter})")};";
    }

    static string ToText(SourceTable table, IReadOnlyList<string> columns) =>
        $"ALTER TABLE {table.Name.ToSql()} {string.Join(", ", columns.Select(c => $"ALTER {SqlIdentifier.Quote(c)} TYPE text USING {SqlIdentifier.Quote(c)}::text"))};";

    static PreflightFinding Error(SourceTable table, string check, string what, string? fix) =>
        new(FindingSeverity.Error, check, $"Table {table.Name} {what}", fix, table.Name);

    static PreflightFinding Warning(SourceTable table, string check, string what, string? fix) =>
        new(FindingSeverity.Warning, check, $"Table {table.Name} {what}", fix, table.Name);
}
