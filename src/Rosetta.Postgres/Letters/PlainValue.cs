using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Rosetta.Postgres.Letters;

/// <summary>Binary values whose text is certain without a server: booleans, whole numbers, texts, bytes, UUIDs, JSON. As their types' output functions write them.</summary>
static class PlainValue
{
    /// <returns>Null: a server has to be asked.</returns>
    public static string? Read(uint typeOid, ReadOnlySpan<byte> value) => (typeOid, value.Length) switch
    {
        (16, 1) => value[0] != 0 ? "t" : "f",
        (20, 8) => BinaryPrimitives.ReadInt64BigEndian(value).ToString(CultureInfo.InvariantCulture),
        (21, 2) => BinaryPrimitives.ReadInt16BigEndian(value).ToString(CultureInfo.InvariantCulture),
        (23, 4) => BinaryPrimitives.ReadInt32BigEndian(value).ToString(CultureInfo.InvariantCulture),
        (26, 4) => BinaryPrimitives.ReadUInt32BigEndian(value).ToString(CultureInfo.InvariantCulture),
        // text, varchar, char(n), name, json, xml
        (25 or 1043 or 1042 or 19 or 114 or 142, _) => Encoding.UTF8.GetString(value),
        (17, _) => Hex(value),
        (2950, 16) => new Guid(value, bigEndian: true).ToString(),
        // jsonb: a version before the text
        (3802, > 1) when value[0] == 1 => Encoding.UTF8.GetString(value[1..]),
        _ => null,
    };

    /// <summary>As bytea is written.</summary>
    public static string Hex(ReadOnlySpan<byte> value) => $"\\x{Convert.ToHexStringLower(value)}";
}
