using System.Text.Json;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>
/// The publications a pipeline's stream names, as found at one moment. Stored beside the slot's record, because from the stream alone a
/// publication that was exchanged cannot be told from one that was not.
/// </summary>
/// <param name="IsAdopted">The user's own publication: never altered by the pipeline.</param>
/// <param name="Publications">In the order in which they are named to the stream.</param>
public sealed record PublicationFacts(bool IsAdopted, IReadOnlyList<PublicationFact> Publications)
{
    /// <summary>For START_REPLICATION's publication_names.</summary>
    public IReadOnlyList<string> Names => [.. Publications.Select(p => p.Name)];

    /// <summary>Every published table.</summary>
    public IReadOnlySet<TableName> Tables => Publications.SelectMany(p => p.Tables).Select(t => t.Table).ToHashSet();

    /// <summary>Published tables whose UPDATE or DELETE is not.</summary>
    public IReadOnlySet<TableName> InsertOnlyTables
    {
        get
        {
            var full = new HashSet<TableName>(Publications.Where(p => p is { Update: true, Delete: true }).SelectMany(p => p.Tables).Select(t => t.Table));
            return Tables.Where(t => !full.Contains(t)).ToHashSet();
        }
    }

    /// <summary>
    /// Which rows of a table are published, for a copy to hold the same: publications add up, so one without a filter wins.
    /// </summary>
    /// <returns>An expression to be put behind WHERE, null for all rows.</returns>
    public string? RowFilterOf(TableName table)
    {
        var filters = Publications.SelectMany(p => p.Tables).Where(t => t.Table == table).Select(t => t.RowFilter).ToList();
        return filters.Count == 0 || filters.Contains(null) ? null : string.Join(" OR ", filters.Distinct().Select(f => $"({f})"));
    }

    /// <summary>The published columns of a table, null for all.</summary>
    public IReadOnlyList<string>? ColumnsOf(TableName table) =>
        Publications.SelectMany(p => p.Tables).Where(t => t.Table == table).Select(t => t.Columns).FirstOrDefault();

    public string ToJson() => JsonSerializer.Serialize(this);

    /// <exception cref="JsonException">Not what <see cref="ToJson"/> wrote.</exception>
    public static PublicationFacts FromJson(string json) =>
        JsonSerializer.Deserialize<PublicationFacts>(json) ?? throw new JsonException("No publication facts.");
}

/// <param name="Oid">pg_publication.oid: another one means it was made anew, and what lay between is lost.</param>
/// <param name="AllTables">FOR ALL TABLES.</param>
/// <param name="ViaRoot">publish_via_partition_root.</param>
/// <param name="Comment">Its comment; by it a pipeline knows what it made itself.</param>
public sealed record PublicationFact(
    uint Oid, string Name, bool AllTables, bool Insert, bool Update, bool Delete, bool Truncate, bool ViaRoot, string? Comment,
    IReadOnlyList<PublishedTable> Tables);

/// <param name="Oid">pg_class.oid.</param>
/// <param name="Memberships">Why it is published: <c>r</c> + pg_publication_rel.oid (of it or of an ancestor), <c>n</c> +
/// pg_publication_namespace.oid, <c>a</c> + the publication's own OID.</param>
/// <param name="RowFilter">The expression of its row filter, to be put behind WHERE as it is; null without one.</param>
/// <param name="Columns">Its column list, null without one.</param>
public sealed record PublishedTable(
    TableName Table, uint Oid, IReadOnlyList<string> Memberships, string? RowFilter, IReadOnlyList<string>? Columns)
{
    /// <summary>The columns that the row filter names; empty without one, and where a column list hides them.</summary>
    public IReadOnlyList<string> FilterColumns { get; init; } = [];
}
