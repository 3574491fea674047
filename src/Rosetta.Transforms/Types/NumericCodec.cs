using System.Buffers.Binary;

namespace Rosetta.Transforms.Types;

/// <summary>PostgreSQL's numeric (numeric_send): Int16 number of digits, weight, sign, display scale, then digits of base 10000.</summary>
static class NumericCodec
{
    const ushort Negative = 0x4000, Special = 0xC000;
    const int DigitBase = 10_000;
    const int DigitsPerGroup = 4;
    const int MaxDigits = 38;

    static readonly Int128[] Powers = MakePowers();

    /// <summary>The value times 10^scale.</summary>
    /// <exception cref="UnreadableValueException">NaN, infinite, or more digits than DECIMAL(width, scale) has.</exception>
    public static Int128 Read(ReadOnlySpan<byte> bytes, int width, int scale)
    {
        var groups = BinaryPrimitives.ReadInt16BigEndian(bytes);
        var weight = BinaryPrimitives.ReadInt16BigEndian(bytes[2..]);
        var sign = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if ((sign & Special) == Special)
            throw NotFinite(width, scale);
        Int128 value = 0;
        for (var i = 0; i < groups; i++)
        {
            var group = BinaryPrimitives.ReadUInt16BigEndian(bytes[(8 + (2 * i))..]);
            // The group counts group * 10000^(weight - i), in units of 10^-scale.
            var exponent = ((weight - i) * DigitsPerGroup) + scale;
            if (exponent < 0)
            {
                var divisor = exponent <= -DigitsPerGroup ? DigitBase : (int)Powers[-exponent];
                if (group % divisor != 0)
                    throw TooFine(width, scale);
                value += group / divisor;
                continue;
            }

            if (group == 0)
                continue;
            if (exponent > MaxDigits)
                throw TooLarge(width, scale);
            var part = (Int128)group * Powers[exponent];
            if (exponent > MaxDigits - DigitsPerGroup && part / Powers[exponent] != group)
                throw TooLarge(width, scale);
            value += part;
            if (value < 0 || value >= Powers[width])
                throw TooLarge(width, scale);
        }

        if (value >= Powers[width])
            throw TooLarge(width, scale);
        return sign == Negative ? -value : value;
    }

    /// <summary>The same from text form.</summary>
    public static Int128 ReadText(ReadOnlySpan<byte> text, int width, int scale)
    {
        var negative = text.Length > 0 && text[0] == '-';
        var digits = negative ? text[1..] : text;
        if (digits.Length == 0 || digits[0] is (byte)'N' or (byte)'I')
            throw NotFinite(width, scale);
        Int128 value = 0;
        var fraction = -1;
        foreach (var c in digits)
        {
            if (c == '.')
            {
                fraction = 0;
                continue;
            }

            if (fraction >= scale)
            {
                if (c != '0')
                    throw TooFine(width, scale);
                continue;
            }

            value = (value * 10) + (c - '0');
            fraction += fraction >= 0 ? 1 : 0;
            if (value >= Powers[width])
                throw TooLarge(width, scale);
        }

        var missing = scale - Math.Max(fraction, 0);
        if (value >= Powers[Math.Max(0, width - missing)])
            throw TooLarge(width, scale);
        value *= Powers[missing];
        return negative ? -value : value;
    }

    /// <summary>Writes value / 10^scale; how many bytes.</summary>
    public static int Write(Int128 value, int scale, Span<byte> target)
    {
        var negative = value < 0;
        var rest = negative ? (UInt128)(-(value + 1)) + 1 : (UInt128)value;
        Span<ushort> groups = stackalloc ushort[12];
        // The fraction's last group is filled up with zeros so that groups of four meet the decimal point.
        var fractionGroups = (scale + DigitsPerGroup - 1) / DigitsPerGroup;
        var pad = (fractionGroups * DigitsPerGroup) - scale;
        var count = 0;
        if (pad > 0)
        {
            var factor = (uint)Powers[pad];
            var last = (uint)(rest % (uint)Powers[DigitsPerGroup - pad]);
            groups[count++] = (ushort)(last * factor);
            rest /= (uint)Powers[DigitsPerGroup - pad];
        }

        while (rest > 0)
        {
            groups[count++] = (ushort)(uint)(rest % DigitBase);
            rest /= DigitBase;
        }

        var first = count - 1;
        while (first >= 0 && groups[first] == 0)
            first--;
        var lowest = 0;
        while (lowest <= first && groups[lowest] == 0)
            lowest++;
        var stored = first - lowest + 1;
        BinaryPrimitives.WriteInt16BigEndian(target, (short)stored);
        BinaryPrimitives.WriteInt16BigEndian(target[2..], (short)(stored == 0 ? 0 : first - fractionGroups));
        BinaryPrimitives.WriteUInt16BigEndian(target[4..], negative && stored > 0 ? Negative : (ushort)0);
        BinaryPrimitives.WriteInt16BigEndian(target[6..], (short)scale);
        for (var i = 0; i < stored; i++)
            BinaryPrimitives.WriteUInt16BigEndian(target[(8 + (2 * i))..], groups[first - i]);
        return 8 + (2 * stored);
    }

    static UnreadableValueException NotFinite(int width, int scale) => new(FormattableString.Invariant(
        $"a numeric that is NaN or infinite has no value as DECIMAL({width},{scale})"));

    static UnreadableValueException TooLarge(int width, int scale) => new(FormattableString.Invariant(
        $"a numeric has more digits before the point than DECIMAL({width},{scale}) holds"));

    static UnreadableValueException TooFine(int width, int scale) => new(FormattableString.Invariant(
        $"a numeric has more digits after the point than DECIMAL({width},{scale}) holds"));

    static Int128[] MakePowers()
    {
        var powers = new Int128[MaxDigits + 1];
        powers[0] = 1;
        for (var i = 1; i < powers.Length; i++)
            powers[i] = powers[i - 1] * 10;
        return powers;
    }
}
