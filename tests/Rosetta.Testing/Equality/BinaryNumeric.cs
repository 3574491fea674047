using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Rosetta.Testing.Equality;

/// <summary>
/// Text of a numeric's binary form: 16-bit digit count, weight of the first digit (base 10,000), sign, display scale, digits. Decimal
/// would not do: PostgreSQL's numerics are longer, and the scale is what differs most often.
/// </summary>
static class BinaryNumeric
{
    const ushort Negative = 0x4000;
    const ushort NotANumber = 0xC000;
    const ushort PositiveInfinity = 0xD000;
    const ushort NegativeInfinity = 0xF000;
    const int DigitsPerGroup = 4;

    public static string Show(ReadOnlySpan<byte> bytes)
    {
        var count = BinaryPrimitives.ReadInt16BigEndian(bytes);
        int weight = BinaryPrimitives.ReadInt16BigEndian(bytes[2..]);
        var sign = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        var scale = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]);
        switch (sign)
        {
            case NotANumber:
                return "NaN";
            case PositiveInfinity:
                return "Infinity";
            case NegativeInfinity:
                return "-Infinity";
        }
        var whole = new StringBuilder();
        for (var group = 0; group <= weight; group++)
            whole.Append(Group(bytes, count, group));
        var fraction = new StringBuilder();
        for (var group = weight + 1; fraction.Length < scale; group++)
            fraction.Append(Group(bytes, count, group));
        var text = whole.ToString().TrimStart('0');
        return (sign == Negative ? "-" : "") + (text.Length == 0 ? "0" : text) + (scale == 0 ? "" : "." + fraction.ToString(0, scale));
    }

    static string Group(ReadOnlySpan<byte> bytes, int count, int group) =>
        (group < 0 || group >= count ? 0 : BinaryPrimitives.ReadInt16BigEndian(bytes[(8 + group * 2)..]))
            .ToString(CultureInfo.InvariantCulture).PadLeft(DigitsPerGroup, '0');
}
