using System.Globalization;

namespace Rosetta.Transforms.Types;

/// <summary>How a computed value is encoded.</summary>
enum ComputedKind
{
    Boolean,
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Int128,
    Float,
    Double,
    Decimal,
    Text,
    Uuid,
    Date,
    Timestamp,
    Time,
    Json,
    Blob,
}

/// <summary>The type that a computed column has at the destination, by DuckDB's type of its expression.</summary>
/// <param name="Oid">Of the PostgreSQL type.</param>
/// <param name="Modifier">Its atttypmod, -1 for none.</param>
/// <param name="Sql">Its name.</param>
/// <param name="Width">Digits of a DECIMAL.</param>
sealed record ComputedType(ComputedKind Kind, uint Oid, int Modifier, string Sql, int Width = 0, int Scale = 0)
{
    const int Int128Digits = 39;
    const int UInt64Digits = 20;

    /// <param name="duck">DuckDB's name of the type, as DESCRIBE tells it.</param>
    /// <param name="problem">Why no PostgreSQL type takes it.</param>
    public static ComputedType? Of(string duck, out string problem)
    {
        problem = "";
        if (duck.StartsWith("DECIMAL(", StringComparison.Ordinal) && duck.EndsWith(')'))
        {
            var parts = duck[8..^1].Split(',');
            var (width, scale) = (int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture));
            return Numeric(ComputedKind.Decimal, width, scale);
        }

        switch (duck)
        {
            case "BOOLEAN": return new(ComputedKind.Boolean, PgTypes.Bool, -1, "boolean");
            case "TINYINT": return new(ComputedKind.Int8, PgTypes.Int2, -1, "smallint");
            case "UTINYINT": return new(ComputedKind.UInt8, PgTypes.Int2, -1, "smallint");
            case "SMALLINT": return new(ComputedKind.Int16, PgTypes.Int2, -1, "smallint");
            case "USMALLINT": return new(ComputedKind.UInt16, PgTypes.Int4, -1, "integer");
            case "INTEGER": return new(ComputedKind.Int32, PgTypes.Int4, -1, "integer");
            case "UINTEGER": return new(ComputedKind.UInt32, PgTypes.Int8, -1, "bigint");
            case "BIGINT": return new(ComputedKind.Int64, PgTypes.Int8, -1, "bigint");
            case "UBIGINT": return Numeric(ComputedKind.UInt64, UInt64Digits, 0);
            case "HUGEINT": return Numeric(ComputedKind.Int128, Int128Digits, 0);
            case "FLOAT": return new(ComputedKind.Float, PgTypes.Float4, -1, "real");
            case "DOUBLE": return new(ComputedKind.Double, PgTypes.Float8, -1, "double precision");
            case "VARCHAR": return new(ComputedKind.Text, PgTypes.Text, -1, "text");
            case "UUID": return new(ComputedKind.Uuid, PgTypes.Uuid, -1, "uuid");
            case "DATE": return new(ComputedKind.Date, PgTypes.Date, -1, "date");
            case "TIMESTAMP": return new(ComputedKind.Timestamp, PgTypes.Timestamp, -1, "timestamp without time zone");
            case "TIMESTAMP WITH TIME ZONE": return new(ComputedKind.Timestamp, PgTypes.Timestamptz, -1, "timestamp with time zone");
            case "TIME": return new(ComputedKind.Time, PgTypes.Time, -1, "time without time zone");
            case "JSON": return new(ComputedKind.Json, PgTypes.Jsonb, -1, "jsonb");
            case "BLOB": return new(ComputedKind.Blob, PgTypes.Bytea, -1, "bytea");
            case "TIMESTAMP_S" or "TIMESTAMP_MS" or "TIMESTAMP_NS":
                problem = "cast it: (...)::TIMESTAMP";
                return null;
            default:
                problem = duck.Contains('[', StringComparison.Ordinal) || duck.StartsWith("STRUCT", StringComparison.Ordinal) || duck.StartsWith("MAP", StringComparison.Ordinal)
                    ? "cast it to JSON or VARCHAR, or take one element of it"
                    : "cast it to another type, for example VARCHAR";
                return null;
        }
    }

    static ComputedType Numeric(ComputedKind kind, int width, int scale) =>
        new(kind, PgTypes.Numeric, PgTypes.NumericModifier(width, scale), FormattableString.Invariant($"numeric({width},{scale})"), width, scale);
}
