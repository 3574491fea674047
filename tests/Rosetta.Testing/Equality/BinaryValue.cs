using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Rosetta.Testing.Equality;

/// <summary>Shows PostgreSQL's binary form of a value to people: the common types as text, the rest in hex.</summary>
static class BinaryValue
{
    const int LongestShown = 120;

    public static string Show(string type, bool isNull, ReadOnlySpan<byte> bytes)
    {
        if (isNull)
            return "NULL";
        return (type, bytes.Length) switch
        {
            ("smallint", 2) => BinaryPrimitives.ReadInt16BigEndian(bytes).ToString(CultureInfo.InvariantCulture),
            ("integer", 4) => BinaryPrimitives.ReadInt32BigEndian(bytes).ToString(CultureInfo.InvariantCulture),
            ("bigint", 8) => BinaryPrimitives.ReadInt64BigEndian(bytes).ToString(CultureInfo.InvariantCulture),
            ("real", 4) => BinaryPrimitives.ReadSingleBigEndian(bytes).ToString("R", CultureInfo.InvariantCulture),
            ("double precision", 8) => BinaryPrimitives.ReadDoubleBigEndian(bytes).ToString("R", CultureInfo.InvariantCulture),
            ("boolean", 1) => bytes[0] != 0 ? "true" : "false",
            ("uuid", 16) => new Guid(bytes, bigEndian: true).ToString(),
            ("numeric", >= 8) => BinaryNumeric.Show(bytes),
            ("text" or "character varying" or "character" or "json" or "name" or "xml" or "row", _) => Text(bytes),
            _ => Hex(bytes)
        };
    }

    static string Text(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, LongestShown * 4)]);
        return text.Length <= LongestShown ? $"'{text}'" : $"'{text[..LongestShown]}...' ({bytes.Length} bytes)";
    }

    static string Hex(ReadOnlySpan<byte> bytes) =>
        bytes.Length <= LongestShown / 2
            ? @"\x" + Convert.ToHexStringLower(bytes)
            : $@"\x{Convert.ToHexStringLower(bytes[..(LongestShown / 2)])}... ({bytes.Length} bytes)";
}
