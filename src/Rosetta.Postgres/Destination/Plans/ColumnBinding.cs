using Rosetta.Core.Changes;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>How a relation's columns meet those of its table: what is written, what is missing there, what does not fit.</summary>
/// <param name="Columns">Bound columns in the relation's order.</param>
/// <param name="Missing">Columns the destination's table does not have.</param>
/// <param name="Computed">Columns that the destination's table computes itself, so that they are not written.</param>
/// <param name="Misfit">Why the table cannot take the relation's rows; null when it can.</param>
sealed record ColumnBinding(
    IReadOnlyList<BoundColumn> Columns, IReadOnlyList<RelationColumn> Missing, IReadOnlyList<string> Computed, ColumnMisfit? Misfit)
{
    /// <param name="wanted">Names of the wanted columns; null for all.</param>
    /// <param name="key">Positions of the key columns in the relation.</param>
    public static ColumnBinding Of(Relation relation, TargetTable target, IReadOnlyList<string>? wanted, int[] key)
    {
        var columns = new List<BoundColumn>();
        var missing = new List<RelationColumn>();
        var computed = new List<string>();
        ColumnMisfit? misfit = null;
        for (var i = 0; i < relation.Columns.Count; i++)
        {
            var column = relation.Columns[i];
            if (wanted is not null && !wanted.Contains(column.Name))
                continue;
            if (target.Find(column.Name) is not { } there)
            {
                missing.Add(column);
                continue;
            }

            if (there.Generated)
            {
                computed.Add(column.Name);
                continue;
            }

            var transfer = TypeFit.Of(column, there);
            if (transfer == Transfer.Refused)
            {
                misfit ??= new ColumnMisfit(
                    $"Column {column.Name} of {target.Name} has type {there.FullTypeSql}, which cannot take the source's values (type OID {column.TypeOid}, modifier {column.TypeModifier}) without changing them.",
                    null, column.Name);
                continue;
            }

            columns.Add(new BoundColumn(i, there, transfer == Transfer.Cast ? TypeFit.CastableTypeSql(column.TypeOid) : null, key.Contains(i)));
        }

        if (misfit is null && missing.Count == 0 && key.Any(k => columns.TrueForAll(c => c.RelationIndex != k)))
        {
            misfit = new ColumnMisfit(
                $"Not all key columns of {relation.Schema}.{relation.Name} are written at the destination: {string.Join(", ", key.Select(k => relation.Columns[k].Name))}.",
                "Add the key's columns to the table's entry in table_syncs.", null);
        }

        return new ColumnBinding(columns, missing, computed, misfit);
    }
}

/// <param name="Column">The column whose type does not fit; the remedy is to give it the source's.</param>
sealed record ColumnMisfit(string Reason, string? Remedy, string? Column);
