using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Rewriting;

/// <summary>A row's key for the operator's eyes.</summary>
static class RowText
{
    public static string? KeyOf(ReadOnlySpan<byte> bytes, int tuple, Relation relation, IReadOnlyList<string> key)
    {
        var parts = new List<string>();
        var reader = new TupleReader(bytes, tuple);
        while (reader.Read())
        {
            var column = relation.Columns[reader.Column];
            if (key.Contains(column.Name))
                parts.Add($"{column.Name}={Show(column.TypeOid, reader.Kind, reader.Value)}");
        }

        return parts.Count == 0 ? null : string.Join(", ", parts);
    }

    static string Show(uint type, ValueKind kind, ReadOnlySpan<byte> value) => kind switch
    {
        ValueKind.Text => Encoding.UTF8.GetString(value),
        ValueKind.Binary => type switch
        {
            PgTypes.Int2 => BinaryPrimitives.ReadInt16BigEndian(value).ToString(CultureInfo.InvariantCulture),
            PgTypes.Int4 => BinaryPrimitives.ReadInt32BigEndian(value).ToString(CultureInfo.InvariantCulture),
            PgTypes.Int8 => BinaryPrimitives.ReadInt64BigEndian(value).ToString(CultureInfo.InvariantCulture),
            PgTypes.Text or PgTypes.Varchar or PgTypes.Bpchar => Encoding.UTF8.GetString(value),
            PgTypes.Uuid => new Guid(value, bigEndian: true).ToString(),
            _ => $"\\x{Convert.ToHexStringLower(value)}",
        },
        _ => "?",
    };
}
