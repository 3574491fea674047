using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>By schema, then name, as bytes. Locks on several tables are always taken in this order.</summary>
sealed class TableOrder : IComparer<TableName>
{
    public static readonly TableOrder Instance = new();

    public int Compare(TableName x, TableName y)
    {
        var bySchema = string.CompareOrdinal(x.Schema, y.Schema);
        return bySchema != 0 ? bySchema : string.CompareOrdinal(x.Name, y.Name);
    }
}
