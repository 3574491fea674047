using DuckDB.NET.Native;

namespace Rosetta.Transforms.Types;

/// <summary>How a source type looks to an expression.</summary>
enum ReadableKind
{
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    Decimal,
    Text,

    /// <summary>char(n): the blanks that pad it are not part of the text, as in PostgreSQL's own cast.</summary>
    PaddedText,
    Uuid,
    Date,
    Timestamp,
    TimestampTz,
    Time,
    Json,
    Jsonb,
    Blob,
}

/// <summary>A type that an expression may read.</summary>
/// <param name="Sql">DuckDB's name of it.</param>
sealed record ReadableType(ReadableKind Kind, DuckDBType Duck, string Sql, byte Width = 0, byte Scale = 0)
{
    /// <summary>What a numeric without precision is read as; a value that does not fit exactly is an error.</summary>
    public const byte FreeScale = 10;

    const byte MaxWidth = 38;

    /// <summary>Null for a type that can be passed through only.</summary>
    public static ReadableType? Of(SourceColumn column) => column.IsEnum ? new ReadableType(ReadableKind.Text, DuckDBType.Varchar, "VARCHAR") : column.TypeOid switch
    {
        PgTypes.Bool => new(ReadableKind.Boolean, DuckDBType.Boolean, "BOOLEAN"),
        PgTypes.Int2 => new(ReadableKind.Int16, DuckDBType.SmallInt, "SMALLINT"),
        PgTypes.Int4 => new(ReadableKind.Int32, DuckDBType.Integer, "INTEGER"),
        PgTypes.Int8 => new(ReadableKind.Int64, DuckDBType.BigInt, "BIGINT"),
        PgTypes.Float4 => new(ReadableKind.Float, DuckDBType.Float, "FLOAT"),
        PgTypes.Float8 => new(ReadableKind.Double, DuckDBType.Double, "DOUBLE"),
        PgTypes.Numeric => Decimal(column.TypeModifier),
        PgTypes.Text or PgTypes.Varchar or PgTypes.Name => new(ReadableKind.Text, DuckDBType.Varchar, "VARCHAR"),
        PgTypes.Bpchar => new(ReadableKind.PaddedText, DuckDBType.Varchar, "VARCHAR"),
        PgTypes.Uuid => new(ReadableKind.Uuid, DuckDBType.Uuid, "UUID"),
        PgTypes.Date => new(ReadableKind.Date, DuckDBType.Date, "DATE"),
        PgTypes.Timestamp => new(ReadableKind.Timestamp, DuckDBType.Timestamp, "TIMESTAMP"),
        PgTypes.Timestamptz => new(ReadableKind.TimestampTz, DuckDBType.TimestampTz, "TIMESTAMP WITH TIME ZONE"),
        PgTypes.Time => new(ReadableKind.Time, DuckDBType.Time, "TIME"),
        PgTypes.Json => new(ReadableKind.Json, DuckDBType.Varchar, "VARCHAR"),
        PgTypes.Jsonb => new(ReadableKind.Jsonb, DuckDBType.Varchar, "VARCHAR"),
        PgTypes.Bytea => new(ReadableKind.Blob, DuckDBType.Blob, "BLOB"),
        _ => null,
    };

    /// <summary>A column of it in an expression: json is a VARCHAR vector that is read as JSON.</summary>
    public string Reference(string quotedName) => Kind is ReadableKind.Json or ReadableKind.Jsonb ? $"CAST({quotedName} AS JSON)" : quotedName;

    public DuckDBLogicalType CreateLogicalType() => Kind == ReadableKind.Decimal
        ? NativeMethods.LogicalType.DuckDBCreateDecimalType(Width, Scale)
        : NativeMethods.LogicalType.DuckDBCreateLogicalType(Duck);

    static ReadableType Decimal(int modifier)
    {
        var (precision, scale) = modifier < 4 ? (MaxWidth, FreeScale) : ((modifier - 4) >> 16, (((modifier - 4) & 0x7ff) ^ 1024) - 1024);
        // A scale below zero or above the precision, and more than 38 digits, are PostgreSQL's alone.
        var (width, digits) = scale < 0 || scale > precision || precision > MaxWidth ? (MaxWidth, Math.Clamp(scale, 0, MaxWidth)) : (precision, scale);
        return new ReadableType(ReadableKind.Decimal, DuckDBType.Decimal, FormattableString.Invariant($"DECIMAL({width},{digits})"), (byte)width, (byte)digits);
    }
}
