using System.Buffers.Binary;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>A parameter of a prepared statement: bytes in the type's binary or text form, or NULL.</summary>
public readonly struct PgParameter
{
    PgParameter(ReadOnlyMemory<byte> value, bool isBinary, bool isNull = false)
    {
        Value = value;
        IsBinary = isBinary;
        IsNull = isNull;
    }

    public ReadOnlyMemory<byte> Value { get; }

    public bool IsBinary { get; }

    public bool IsNull { get; }

    /// <summary>SQL's NULL.</summary>
    public static PgParameter Null { get; } = new(default, true, true);

    /// <summary>A value in the binary form of its type's receive function.</summary>
    public static PgParameter Binary(ReadOnlyMemory<byte> value) => new(value, true);

    /// <summary>A value in text form, UTF-8.</summary>
    public static PgParameter Text(ReadOnlyMemory<byte> value) => new(value, false);

    /// <summary>A value in text form; null is SQL's NULL.</summary>
    public static PgParameter Text(string? value) => value is null ? Null : new(Encoding.UTF8.GetBytes(value), false);

    /// <summary>A bigint, oid8-sized binary: also for pg_lsn.</summary>
    public static PgParameter Int64(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return new PgParameter(bytes, true);
    }

    /// <summary>An integer.</summary>
    public static PgParameter Int32(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return new PgParameter(bytes, true);
    }
}
