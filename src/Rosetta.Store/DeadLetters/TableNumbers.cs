using Rosetta.Core.Tables;

namespace Rosetta.Store.DeadLetters;

/// <summary>Numbers tables as they come: a script gets each table's keys once, and entries that say which.</summary>
sealed class TableNumbers
{
    readonly Dictionary<TableName, int> _numbers = [];
    readonly List<TableName> _names = [];

    /// <summary>In the order of their numbers, from 0.</summary>
    public IReadOnlyList<TableName> Names => _names;

    public int NumberOf(TableName table)
    {
        if (_numbers.TryGetValue(table, out var number)) return number;
        _numbers[table] = number = _names.Count;
        _names.Add(table);
        return number;
    }
}
