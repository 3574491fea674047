using Rosetta.Core.Tables;
using Rosetta.Transforms.Compilation;

namespace Rosetta.Transforms.Copies;

/// <summary>The table that a destination is to have: the transform's columns in place of the source's.</summary>
public static class TransformedTable
{
    public static TableDescription Describe(TableDescription table, CompiledTransform transform)
    {
        var bySource = table.Columns.ToDictionary(c => c.Name);
        var columns = new List<ColumnDescription>(transform.Output.Count);
        foreach (var column in transform.Output)
        {
            columns.Add(column.IsComputed
                ? new ColumnDescription(column.Name, column.Type!.Oid, column.Type.Modifier, column.TypeSql, false, null, null, null, true)
                : bySource[transform.Columns[column.Source].Name] with { Name = column.Name });
        }

        // Columns that the destination computes by itself stay where they were asked for with the rest: without a SELECT of the user's own.
        if (transform.Request.CustomSql is null)
        {
            columns.AddRange(table.Columns.Where(c => c.Generated is not null && (transform.Request.Chosen?.Contains(c.Name) ?? true)));
            columns.Sort((a, b) => IndexOf(table, a.Name).CompareTo(IndexOf(table, b.Name)));
        }

        return table with { Columns = columns };
    }

    static int IndexOf(TableDescription table, string name)
    {
        for (var i = 0; i < table.Columns.Count; i++)
        {
            if (table.Columns[i].Name == name)
                return i;
        }

        return table.Columns.Count;
    }
}
