using System.Globalization;

namespace Rosetta.Cli.Views;

/// <summary>Numbers for people.</summary>
public static class Quantities
{
    static readonly string[] Units = ["B", "kB", "MB", "GB", "TB"];

    /// <summary>Bytes in powers of 1024 with three digits at most: <c>512 B</c>, <c>1.5 kB</c>, <c>12 MB</c>.</summary>
    public static string Bytes(long? bytes)
    {
        if (bytes is not { } left)
            return "-";
        var value = (double)left;
        var unit = 0;
        // 999.5 would print as 1000.
        while (value >= 999.5 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 || value >= 9.95 ? $"{value:F0}" : $"{value:F1}")} {Units[unit]}");
    }

    /// <summary>Seconds: <c>0.0 s</c>, <c>12 s</c>, <c>3 m 20 s</c>, <c>2 h 5 m</c>.</summary>
    public static string Seconds(double? seconds) => seconds switch
    {
        null => "-",
        < 10 => string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s"),
        < 100 => string.Create(CultureInfo.InvariantCulture, $"{seconds:F0} s"),
        < 3600 => $"{(int)seconds / 60} m {(int)seconds % 60} s",
        _ => $"{(int)(seconds / 3600)} h {(int)(seconds % 3600) / 60} m"
    };

    /// <summary>A count with thousands separators.</summary>
    public static string Count(long? count) => count is { } n ? n.ToString("N0", CultureInfo.InvariantCulture) : "-";
}
