using System.Globalization;
using System.Text;

namespace Rosetta.Transforms.Types;

/// <summary>Dates and times in text form as PostgreSQL writes them under DateStyle ISO, to its binary form's numbers.</summary>
static class DateText
{
    /// <summary>Days since 2000-01-01; <see cref="int.MaxValue"/> and MinValue for the infinities.</summary>
    public static int Days(ReadOnlySpan<byte> text)
    {
        if (Infinite(text) is { } sign)
            return sign > 0 ? int.MaxValue : int.MinValue;
        var bc = TakeBc(ref text);
        return DaysOf(text, bc);
    }

    /// <summary>Microseconds since 2000-01-01, UTC where a zone is given.</summary>
    public static long Micros(ReadOnlySpan<byte> text)
    {
        if (Infinite(text) is { } sign)
            return sign > 0 ? long.MaxValue : long.MinValue;
        var bc = TakeBc(ref text);
        var space = text.IndexOf((byte)' ');
        var time = text[(space + 1)..];
        var zone = time.IndexOfAny((byte)'+', (byte)'-');
        long offset = 0;
        if (zone >= 0)
        {
            var parts = Encoding.ASCII.GetString(time[(zone + 1)..]).Split(':');
            offset = (Number(parts[0]) * 3600L) + (parts.Length > 1 ? Number(parts[1]) * 60L : 0) + (parts.Length > 2 ? Number(parts[2]) : 0);
            if (time[zone] == '-')
                offset = -offset;
            time = time[..zone];
        }

        return (DaysOf(text[..space], bc) * PgTypes.MicrosPerDay) + TimeOfDay(time) - (offset * 1_000_000);
    }

    /// <summary>Microseconds of the day.</summary>
    public static long TimeOfDay(ReadOnlySpan<byte> text)
    {
        var parts = Encoding.ASCII.GetString(text).Split(':');
        var seconds = parts[2].Split('.');
        long micros = seconds.Length > 1 ? Number(seconds[1].PadRight(6, '0')) : 0;
        return (((Number(parts[0]) * 60L) + Number(parts[1])) * 60L + Number(seconds[0])) * 1_000_000 + micros;
    }

    static int? Infinite(ReadOnlySpan<byte> text) => text.SequenceEqual("infinity"u8) ? 1 : text.SequenceEqual("-infinity"u8) ? -1 : null;

    static bool TakeBc(ref ReadOnlySpan<byte> text)
    {
        if (!text.EndsWith(" BC"u8))
            return false;
        text = text[..^3];
        return true;
    }

    static int DaysOf(ReadOnlySpan<byte> text, bool bc)
    {
        var parts = Encoding.ASCII.GetString(text).Split('-');
        var year = bc ? 1 - Number(parts[0]) : Number(parts[0]);
        return JulianDay(year, Number(parts[1]), Number(parts[2])) - 2_451_545;
    }

    // date2j of PostgreSQL's datetime.c: proleptic Gregorian calendar.
    static int JulianDay(int year, int month, int day)
    {
        if (month > 2)
        {
            month += 1;
            year += 4800;
        }
        else
        {
            month += 13;
            year += 4799;
        }

        var century = year / 100;
        var julian = (year * 365) - 32_167;
        julian += (year / 4) - century + (century / 4);
        return julian + (7834 * month / 256) + day;
    }

    static int Number(string digits) => int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
}
