using Rosetta.Core.Tables;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>Which names an expression may use, and what it has read.</summary>
sealed class ColumnScope
{
    readonly TableName _table;
    readonly IReadOnlyList<SourceColumn> _columns;
    readonly string[] _names;
    readonly SortedSet<int> _read = [];

    public ColumnScope(TableName table, IReadOnlyList<SourceColumn> columns)
    {
        _table = table;
        _columns = columns;
        _names = new string[columns.Count];
        // DuckDB does not tell "a" from "A": where a table has both, they get names of their own inside.
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < _names.Length; i++)
        {
            var name = columns[i].Name;
            while (!taken.Add(name))
                name = $"{name}_{i}";
            _names[i] = name;
        }
    }

    /// <summary>Another name of the relation (FROM orders AS o).</summary>
    public string? Alias { get; set; }

    public IReadOnlyList<SourceColumn> Columns => _columns;

    /// <summary>The columns that were read, in the table's order.</summary>
    public IReadOnlyCollection<int> Read => _read;

    /// <summary>A column's name inside DuckDB.</summary>
    public string NameOf(int column) => _names[column];

    /// <summary>Finds a column by the parts of its name, as DuckDB would: exactly, else without regard to case.</summary>
    /// <exception cref="RefusedException">There is none, or there are several.</exception>
    public int Find(IReadOnlyList<string> parts)
    {
        if (parts.Count > 1 && !IsQualifier(parts))
            throw new RefusedException($"{string.Join('.', parts)} is not a column of {_table}");
        var name = parts[^1];
        var found = -1;
        for (var i = 0; i < _columns.Count; i++)
        {
            if (_columns[i].Name == name)
                return i;
            if (!string.Equals(_columns[i].Name, name, StringComparison.OrdinalIgnoreCase))
                continue;
            if (found >= 0)
                throw new RefusedException($"column {name} is ambiguous; write it in double quotes as the table has it");
            found = i;
        }

        return found >= 0 ? found : throw new RefusedException($"table {_table} has no column {name}");
    }

    /// <summary>A column read by an expression, as SQL.</summary>
    /// <exception cref="RefusedException">Expressions cannot read it.</exception>
    public string Reference(IReadOnlyList<string> parts)
    {
        var index = Find(parts);
        var column = _columns[index];
        if (column.IsGenerated)
            throw new RefusedException($"column {column.Name} is generated and not in the stream of changes; write its expression instead");
        var type = ReadableType.Of(column)
            ?? throw new RefusedException($"column {column.Name} has type {column.TypeSql}, which an expression cannot read; it can be passed through only");
        _read.Add(index);
        return type.Reference(SqlIdentifier.Quote(_names[index]));
    }

    public void ForgetReads() => _read.Clear();

    /// <summary>Is a relation of this name the table itself?</summary>
    public bool IsTable(string schema, string name) =>
        (schema.Length == 0 || string.Equals(schema, _table.Schema, StringComparison.OrdinalIgnoreCase)) && string.Equals(name, _table.Name, StringComparison.OrdinalIgnoreCase);

    public bool IsQualifier(string name) =>
        Alias is { Length: > 0 } alias ? string.Equals(alias, name, StringComparison.OrdinalIgnoreCase) : IsTable("", name);

    bool IsQualifier(IReadOnlyList<string> parts) => parts.Count switch
    {
        2 => IsQualifier(parts[0]),
        3 => Alias is null or "" && IsTable(parts[0], parts[1]),
        _ => false,
    };
}
