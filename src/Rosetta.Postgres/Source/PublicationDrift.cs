using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>
/// What happened to publications behind a pipeline's back. Up to PostgreSQL 17 a publication that vanished fails the stream, in 18 it is
/// silence, and a table taken out and put back loses its changes in between without an error everywhere: hence the comparison.
/// </summary>
/// <param name="Gap">A publication is gone or another one: the pipeline has lost changes. Null when all are there.</param>
/// <param name="Tables">Tables that have lost changes.</param>
public sealed record PublicationDrift(string? Gap, IReadOnlyList<TableDrift> Tables)
{
    public static readonly PublicationDrift None = new(null, []);

    public bool IsNone => Gap is null && Tables.Count == 0;

    /// <param name="stored">As recorded after the last change of our own.</param>
    /// <param name="now">As found now.</param>
    public static PublicationDrift Between(PublicationFacts stored, PublicationFacts now)
    {
        var drifted = new List<TableDrift>();
        foreach (var before in stored.Publications)
        {
            var after = now.Publications.FirstOrDefault(p => p.Name == before.Name);
            if (after is null)
                return new PublicationDrift($"Publication {before.Name} was dropped.", []);
            if (after.Oid != before.Oid)
                return new PublicationDrift($"Publication {before.Name} was dropped and created again.", []);

            var lost = Lost(before, after);
            var found = after.Tables.ToDictionary(t => t.Table);
            foreach (var table in before.Tables)
            {
                var reason = lost is null ? ReasonOf(table, found.GetValueOrDefault(table.Table), before.Name) : $"Publication {before.Name} no longer publishes {lost}.";
                if (reason is not null)
                    drifted.Add(new TableDrift(table.Table, reason));
            }
        }

        return drifted.Count == 0 ? None : new PublicationDrift(null, drifted);
    }

    static string? ReasonOf(PublishedTable before, PublishedTable? after, string publication)
    {
        if (after is null)
            return $"It is no longer in publication {publication}, or was dropped or renamed.";
        if (after.Oid != before.Oid)
            return "It was dropped and created again.";
        // One membership that lasted published it all the time.
        if (!before.Memberships.Intersect(after.Memberships).Any())
            return $"It was taken out of publication {publication} and added again.";
        if (before.RowFilter != after.RowFilter)
            return $"Its row filter in publication {publication} was changed.";
        return (before.Columns is null) != (after.Columns is null)
            || (before.Columns is not null && after.Columns is not null && !before.Columns.SequenceEqual(after.Columns))
            ? $"Its column list in publication {publication} was changed."
            : null;
    }

    static string? Lost(PublicationFact before, PublicationFact after)
    {
        var lost = new List<string>();
        if (before.Insert && !after.Insert)
            lost.Add("INSERT");
        if (before.Update && !after.Update)
            lost.Add("UPDATE");
        if (before.Delete && !after.Delete)
            lost.Add("DELETE");
        if (before.Truncate && !after.Truncate)
            lost.Add("TRUNCATE");
        return lost.Count == 0 ? null : string.Join(", ", lost);
    }
}

/// <param name="Reason">A sentence for the table's error; the remedy is a resync of the table.</param>
public sealed record TableDrift(TableName Table, string Reason);
