using Npgsql;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

/// <summary>What a preflight is about.</summary>
/// <param name="PublicationName">The source's publication_name.</param>
/// <param name="SlotName">The pipeline's slot (<see cref="SourceNames.Slot"/>).</param>
/// <param name="SlotIsOurs">The slot is recorded as the pipeline's: it may exist.</param>
/// <param name="UsesOwnPublication">The pipeline has publications of its own already, whatever the user has made since.</param>
/// <param name="Tables">The tables the pipeline replicates; null for every table that it can see.</param>
public sealed record PreflightRequest(
    string PublicationName, string SlotName, bool SlotIsOurs, bool UsesOwnPublication = false, IReadOnlyCollection<TableName>? Tables = null)
{
    /// <summary>Transactions older than this are reported.</summary>
    public TimeSpan LongTransaction { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Looks at a source before anything starts, and says what is in the way with the SQL that mends it. Changes nothing.</summary>
public static class Preflight
{
    /// <summary>Never throws for a failure of the source: that is a finding.</summary>
    public static async Task<PreflightReport> RunAsync(SourceDatabase database, PreflightRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await database.OpenAsync(cancellationToken);
            return await RunAsync(connection, request, cancellationToken);
        }
        catch (NpgsqlException e)
        {
            var (error, hint) = ConnectionCheck.Explain(e, database.Endpoint);
            return new PreflightReport([new PreflightFinding(FindingSeverity.Error, PreflightChecks.Connection, $"{error} {hint}", null)]);
        }
    }

    static async Task<PreflightReport> RunAsync(NpgsqlConnection connection, PreflightRequest request, CancellationToken cancellationToken)
    {
        var server = await ServerFacts.ReadAsync(connection, request.SlotName, request.LongTransaction, cancellationToken);
        var users = request.UsesOwnPublication ? null : await UsersPublicationAsync(connection, request, cancellationToken);
        var findings = new List<PreflightFinding>(ServerChecks.Check(
            server, request.SlotName, users is null && !request.UsesOwnPublication, request.SlotIsOurs));
        var all = await SourceCatalog.ReadAsync(
            connection, CatalogSql.UserTables, SourceNames.PublicationPattern(request.PublicationName), cancellationToken);
        var byName = all.ToDictionary(t => t.Name);
        if (users is not null)
            findings.AddRange(PublicationFindings(users, byName));
        foreach (var table in Chosen(request, users, all, byName))
            findings.AddRange(TableChecks.Check(table, server.User, server.Version, users));
        return new PreflightReport([.. findings.OrderBy(f => f.Table is not null).ThenByDescending(f => f.Severity)]) { Tables = all };
    }

    static async Task<PublicationFacts?> UsersPublicationAsync(NpgsqlConnection connection, PreflightRequest request, CancellationToken cancellationToken)
    {
        var found = await PublicationReader.ReadAsync(
            connection, [request.PublicationName, SourceNames.InsertOnlyPublication(request.PublicationName)], cancellationToken);
        return found.Any(p => p.Name == request.PublicationName) ? new PublicationFacts(true, found) : null;
    }

    static IEnumerable<SourceTable> Chosen(
        PreflightRequest request, PublicationFacts? users, IReadOnlyList<SourceTable> all, Dictionary<TableName, SourceTable> byName)
    {
        if (request.Tables is { } named)
            return named.Where(byName.ContainsKey).Select(t => byName[t]);
        return users is null ? SourceCatalog.ReplicatedTables(all) : users.Tables.Where(byName.ContainsKey).Select(t => byName[t]);
    }

    static IEnumerable<PreflightFinding> PublicationFindings(PublicationFacts users, Dictionary<TableName, SourceTable> tables)
    {
        var publication = users.Publications[0];
        var name = SqlIdentifier.Quote(publication.Name);
        if (publication.AllTables)
        {
            var listed = publication.Tables.Where(t => tables.TryGetValue(t.Table, out var found) && found.CanBeReplicated).Select(t => t.Table.ToSql());
            yield return new PreflightFinding(
                FindingSeverity.Warning, PreflightChecks.Publication,
                $"Publication {publication.Name} is FOR ALL TABLES: UPDATE and DELETE fail for the application on every table without replica identity, also on "
                    + "tables made later. Name the tables instead, before a pipeline runs from it; afterwards it is a gap.",
                $"DROP PUBLICATION {name};\nCREATE PUBLICATION {name} FOR TABLE ONLY {string.Join(", ONLY ", listed)};");
        }

        string[] lacking = [.. new[] { (publication.Insert, "INSERT"), (publication.Update, "UPDATE"), (publication.Delete, "DELETE"), (publication.Truncate, "TRUNCATE") }
            .Where(p => !p.Item1).Select(p => p.Item2)];
        if (lacking.Length > 0)
        {
            yield return new PreflightFinding(
                FindingSeverity.Warning, PreflightChecks.Publication,
                $"Publication {publication.Name} does not publish {string.Join(", ", lacking)}: those changes do not reach any destination.",
                $"ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate');");
        }

        if (publication.Tables.Count == 0)
        {
            yield return new PreflightFinding(
                FindingSeverity.Warning, PreflightChecks.Publication, $"Publication {publication.Name}, which the source uses as it is, has no tables.", null);
        }
    }
}
