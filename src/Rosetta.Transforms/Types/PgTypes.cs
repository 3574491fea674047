namespace Rosetta.Transforms.Types;

/// <summary>OIDs of built-in types (pg_type.dat): the same on every server.</summary>
static class PgTypes
{
    public const uint Bool = 16, Bytea = 17, Char = 18, Name = 19, Int8 = 20, Int2 = 21, Int4 = 23, Text = 25, Json = 114, Float4 = 700, Float8 = 701;
    public const uint Bpchar = 1042, Varchar = 1043, Date = 1082, Time = 1083, Timestamp = 1114, Timestamptz = 1184, Numeric = 1700, Uuid = 2950, Jsonb = 3802;

    /// <summary>2000-01-01, PostgreSQL's epoch, in days and microseconds since 1970-01-01, DuckDB's.</summary>
    public const int EpochDays = 10_957;

    public const long EpochMicros = EpochDays * MicrosPerDay;
    public const long MicrosPerDay = 86_400_000_000;

    /// <summary>4713-11-24 BC, the first day of PostgreSQL, since its epoch.</summary>
    public const int FirstDay = -2_451_545;

    /// <summary>5874897-12-31, the last one.</summary>
    public const int LastDay = 2_145_031_948;

    /// <summary>The last microsecond of a timestamp (294276-12-31) since the epoch.</summary>
    public const long LastMicro = 9_223_371_331_199_999_999;

    public const long FirstMicro = FirstDay * MicrosPerDay;

    /// <summary>The one NaN that PostgreSQL writes; other platforms have it with a sign.</summary>
    public const int SingleNaN = 0x7FC0_0000;

    public const long DoubleNaN = 0x7FF8_0000_0000_0000;

    /// <summary>What a numeric(p, s) has as its type modifier.</summary>
    public static int NumericModifier(int precision, int scale) => ((precision << 16) | scale) + 4;

    public static bool IsVariableLength(uint oid) => oid is not (Bool or Char or Name or Int2 or Int4 or Int8 or Float4 or Float8 or Date or Time or Timestamp or Timestamptz
        or Uuid or 24 or 26 or 27 or 28 or 29 or 600 or 601 or 603 or 628 or 718 or 774 or 790 or 829 or 1186 or 1266 or 2202 or 2205 or 2206 or 3220);
}
