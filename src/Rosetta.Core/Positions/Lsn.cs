using System.Globalization;

namespace Rosetta.Core.Positions;

/// <summary>
/// A log sequence number: a byte offset in the write-ahead log, printed by PostgreSQL as two hexadecimal halves (<c>16/B374D848</c>).
/// </summary>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>, ISpanFormattable
{
    /// <summary>PostgreSQL's InvalidXLogRecPtr: no position. Smaller than every real one.</summary>
    public static readonly Lsn Zero;

    public static readonly Lsn Max = new(ulong.MaxValue);

    public bool IsZero => Value == 0;

    /// <exception cref="FormatException">The text is not of the form <c>X/X</c>.</exception>
    public static Lsn Parse(string text) =>
        TryParse(text, out var lsn) ? lsn : throw new FormatException($"'{text}' is not an LSN; expected two hexadecimal numbers as in 16/B374D848.");

    public static bool TryParse(ReadOnlySpan<char> text, out Lsn lsn)
    {
        lsn = Zero;
        var slash = text.IndexOf('/');
        if (slash < 1
            || !uint.TryParse(text[..slash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !uint.TryParse(text[(slash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
            return false;
        lsn = new Lsn(((ulong)high << 32) | low);
        return true;
    }

    /// <summary>Bytes of WAL from <paramref name="older"/> to this position; 0 when this is not ahead.</summary>
    public long BytesSince(Lsn older) => Value > older.Value ? (long)Math.Min(Value - older.Value, long.MaxValue) : 0;

    public static Lsn Min(Lsn a, Lsn b) => a.Value <= b.Value ? a : b;

    public static Lsn MaxOf(Lsn a, Lsn b) => a.Value >= b.Value ? a : b;

    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    public static bool operator <(Lsn a, Lsn b) => a.Value < b.Value;

    public static bool operator >(Lsn a, Lsn b) => a.Value > b.Value;

    public static bool operator <=(Lsn a, Lsn b) => a.Value <= b.Value;

    public static bool operator >=(Lsn a, Lsn b) => a.Value >= b.Value;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(uint)(Value >> 32):X}/{(uint)Value:X}");

    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        destination.TryWrite(CultureInfo.InvariantCulture, $"{(uint)(Value >> 32):X}/{(uint)Value:X}", out charsWritten);
}
