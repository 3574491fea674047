using System.Text;
using Rosetta.Core.Changes;

namespace Rosetta.Core.DeadLetters;

/// <summary>A value in the form in which a tuple holds it.</summary>
/// <param name="Kind">Null, text or binary.</param>
public readonly record struct EditedValue(ValueKind Kind, ReadOnlyMemory<byte> Bytes)
{
    public static readonly EditedValue Null = new(ValueKind.Null, default);
}

/// <summary>Other values in a parked change's new row. Pure: what makes values of text is the destination's.</summary>
public static class ParkedEdit
{
    /// <summary>Why these columns cannot be edited; null: they can, as far as that shows without a server.</summary>
    public static string? Refuse(ParkedChange change, IEnumerable<string> columns)
    {
        ArgumentNullException.ThrowIfNull(change);
        if (change.New.IsEmpty)
            return "A delete has no new row that could be edited: retry it as it is, or discard it.";
        var unknown = columns.Where(c => IndexOf(change, c) < 0).ToList();
        return unknown.Count == 0 ? null
            : $"The change has no column {string.Join(", ", unknown)}. It has: {string.Join(", ", change.Relation.Columns.Select(c => c.Name))}.";
    }

    /// <summary>How an edited value of a column has to come, so that it fits to the others of its column: as text only where its type came as text.</summary>
    public static ValueKind FormOf(ParkedChange change, string column)
    {
        ArgumentNullException.ThrowIfNull(change);
        var index = IndexOf(change, column);
        foreach (var tuple in (ReadOnlySpan<ReadOnlyMemory<byte>>)[change.New, change.Old])
        {
            if (!tuple.IsEmpty && KindAt(tuple, index) is ValueKind.Text or ValueKind.Binary)
                return KindAt(tuple, index);
        }

        return ValueKind.Binary;
    }

    /// <summary>The change with these values.</summary>
    /// <param name="key">Columns by which rows are told apart: they may not change.</param>
    /// <param name="problem">Why it cannot be; null otherwise.</param>
    public static ParkedChange? Apply(ParkedChange change, IReadOnlyDictionary<string, EditedValue> values, IReadOnlyCollection<string> key, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(change);
        ArgumentNullException.ThrowIfNull(values);
        if ((problem = Refuse(change, values.Keys)) is not null)
            return null;
        var output = new PooledBytes(change.New.Length + 64);
        try
        {
            var reader = new TupleReader(change.New.Span, 0);
            output.WriteCount(reader.Columns);
            while (reader.Read())
            {
                var name = change.Relation.Columns[reader.Column].Name;
                if (!values.TryGetValue(name, out var value))
                {
                    output.WriteValue(reader.Kind, reader.Value);
                    continue;
                }

                if (key.Contains(name) && (value.Kind != reader.Kind || !value.Bytes.Span.SequenceEqual(reader.Value)))
                {
                    problem = $"Column {name} belongs to the key, which may not change: changes of a row come in order by it. Discard the change and write the row at the source.";
                    return null;
                }

                output.WriteValue(value.Kind, value.Bytes.Span);
            }

            return change with { New = output.Array.AsSpan(0, output.Length).ToArray() };
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(output.Array);
        }
    }

    /// <summary>A value in text form.</summary>
    public static EditedValue Text(string text) => new(ValueKind.Text, Encoding.UTF8.GetBytes(text));

    static ValueKind KindAt(ReadOnlyMemory<byte> tuple, int column)
    {
        var reader = new TupleReader(tuple.Span, 0);
        while (reader.Read())
        {
            if (reader.Column == column)
                return reader.Kind;
        }

        return ValueKind.Null;
    }

    static int IndexOf(ParkedChange change, string column)
    {
        for (var i = 0; i < change.Relation.Columns.Count; i++)
        {
            if (change.Relation.Columns[i].Name == column)
                return i;
        }

        return -1;
    }
}
