using Rosetta.Core.Changes;

namespace Rosetta.Postgres.Destination.Targets;

/// <summary>How a source column's bytes get into a destination column.</summary>
enum Transfer : byte
{
    /// <summary>As they are.</summary>
    Direct,

    /// <summary>As a value of the source's type, cast by the destination; only where no value can change.</summary>
    Cast,

    /// <summary>Not at all: a value could change or be misread.</summary>
    Refused,
}

/// <summary>
/// Decides whether a column's values can be taken over without loss. Built-in types have the same OID on every server, so another OID is
/// another type; of types made by users the receive function is the judge.
/// </summary>
static class TypeFit
{
    public const uint FirstUserOid = 16384;
    const uint Int2 = 21, Int4 = 23, Int8 = 20, Numeric = 1700, Float4 = 700, Float8 = 701;
    const uint Text = 25, Varchar = 1043, Bpchar = 1042;
    const uint Bit = 1560, Varbit = 1562;
    const uint Time = 1083, Timetz = 1266, Timestamp = 1114, Timestamptz = 1184;
    const int HeaderSize = 4;

    public static Transfer Of(RelationColumn source, TargetColumn target) => Of(source.TypeOid, source.TypeModifier, target.TypeOid, target.TypeModifier);

    public static Transfer Of(uint source, int sourceModifier, uint target, int targetModifier)
    {
        if (source >= FirstUserOid || target >= FirstUserOid)
            return source >= FirstUserOid && target >= FirstUserOid ? Transfer.Direct : Transfer.Refused;
        if (source == target)
            return ModifierFits(source, sourceModifier, targetModifier) ? Transfer.Direct : Transfer.Refused;
        return (source, target) switch
        {
            (Varchar, Text) or (Bpchar, Text) => Transfer.Direct,
            (Text, Varchar) => targetModifier == -1 ? Transfer.Direct : Transfer.Refused,
            (Int2, Int4 or Int8) or (Int4, Int8) or (Float4, Float8) => Transfer.Cast,
            (Int2 or Int4 or Int8, Numeric) => targetModifier == -1 ? Transfer.Cast : Transfer.Refused,
            _ => Transfer.Refused,
        };
    }

    /// <summary>SQL name of a built-in source type that is staged to be cast.</summary>
    public static string CastableTypeSql(uint oid) => oid switch
    {
        Int2 => "int2",
        Int4 => "int4",
        Int8 => "int8",
        Float4 => "float4",
        _ => throw new ArgumentOutOfRangeException(nameof(oid), oid, "Not a type that is cast."),
    };

    /// <summary>A receive function rounds and pads to its column's modifier without a word, so it must hold every value of the source's.</summary>
    static bool ModifierFits(uint type, int source, int target)
    {
        if (target == -1 || source == target)
            return true;
        return type switch
        {
            Varchar or Varbit => source != -1 && target >= source,
            Numeric => source != -1 && Scale(target) >= Scale(source) && Precision(target) - Scale(target) >= Precision(source) - Scale(source),
            Time or Timetz or Timestamp or Timestamptz => target >= (source == -1 ? 6 : source),
            _ => false,
        };
    }

    static int Precision(int modifier) => (modifier - HeaderSize) >> 16;

    // Eleven bits, signed (since PostgreSQL 15).
    static int Scale(int modifier) => (((modifier - HeaderSize) & 0x7ff) ^ 1024) - 1024;
}
