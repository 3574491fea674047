using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using DuckDB.NET.Native;
using Rosetta.Core.Changes;

namespace Rosetta.Transforms.Types;

/// <summary>Puts PostgreSQL's bytes of one value, binary or text, into a DuckDB vector.</summary>
static unsafe class ValueDecoder
{
    /// <exception cref="UnreadableValueException">DuckDB's type has no such value.</exception>
    public static void Decode(ReadableType type, ValueKind form, ReadOnlySpan<byte> bytes, IntPtr vector, byte* data, int row)
    {
        var text = form == ValueKind.Text;
        switch (type.Kind)
        {
            case ReadableKind.Boolean:
                data[row] = text ? (byte)(bytes[0] == 't' ? 1 : 0) : bytes[0];
                break;
            case ReadableKind.Int16:
                Put(data, row, text ? (short)Integer(bytes) : BinaryPrimitives.ReadInt16BigEndian(bytes));
                break;
            case ReadableKind.Int32:
                Put(data, row, text ? (int)Integer(bytes) : BinaryPrimitives.ReadInt32BigEndian(bytes));
                break;
            case ReadableKind.Int64:
                Put(data, row, text ? Integer(bytes) : BinaryPrimitives.ReadInt64BigEndian(bytes));
                break;
            case ReadableKind.Float:
                Put(data, row, text ? Single(bytes) : BinaryPrimitives.ReadSingleBigEndian(bytes));
                break;
            case ReadableKind.Double:
                Put(data, row, text ? Real(bytes) : BinaryPrimitives.ReadDoubleBigEndian(bytes));
                break;
            case ReadableKind.Decimal:
                PutDecimal(type, data, row, text ? NumericCodec.ReadText(bytes, type.Width, type.Scale) : NumericCodec.Read(bytes, type.Width, type.Scale));
                break;
            case ReadableKind.Uuid:
                PutUuid(data, row, text ? Guid.Parse(Encoding.ASCII.GetString(bytes)) : new Guid(bytes, bigEndian: true));
                break;
            case ReadableKind.Date:
                Put(data, row, Date(text ? DateText.Days(bytes) : BinaryPrimitives.ReadInt32BigEndian(bytes)));
                break;
            case ReadableKind.Timestamp or ReadableKind.TimestampTz:
                Put(data, row, Timestamp(text ? DateText.Micros(bytes) : BinaryPrimitives.ReadInt64BigEndian(bytes)));
                break;
            case ReadableKind.Time:
                Put(data, row, text ? DateText.TimeOfDay(bytes) : BinaryPrimitives.ReadInt64BigEndian(bytes));
                break;
            case ReadableKind.PaddedText:
                PutBytes(vector, row, bytes.TrimEnd((byte)' '));
                break;
            case ReadableKind.Jsonb:
                // jsonb_send: a version byte, then the text.
                PutBytes(vector, row, text ? bytes : bytes[1..]);
                break;
            case ReadableKind.Blob:
                PutBytes(vector, row, text ? Convert.FromHexString(Encoding.ASCII.GetString(bytes[2..])) : bytes);
                break;
            default:
                PutBytes(vector, row, bytes);
                break;
        }
    }

    static readonly NumberFormatInfo FloatWords = new() { NaNSymbol = "NaN", PositiveInfinitySymbol = "Infinity", NegativeInfinitySymbol = "-Infinity" };

    static float Single(ReadOnlySpan<byte> text) => float.Parse(Encoding.ASCII.GetString(text), NumberStyles.Float, FloatWords) is var value && float.IsNaN(value)
        ? BitConverter.Int32BitsToSingle(PgTypes.SingleNaN)
        : value;

    static double Real(ReadOnlySpan<byte> text) => double.Parse(Encoding.ASCII.GetString(text), NumberStyles.Float, FloatWords) is var value && double.IsNaN(value)
        ? BitConverter.Int64BitsToDouble(PgTypes.DoubleNaN)
        : value;

    static long Integer(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length ? value : throw new FormatException("Not an integer's text form.");

    static void Put<T>(byte* data, int row, T value)
        where T : unmanaged => Unsafe.WriteUnaligned(data + ((long)row * sizeof(T)), value);

    static void PutDecimal(ReadableType type, byte* data, int row, Int128 value)
    {
        switch (type.Width)
        {
            case <= 4:
                Put(data, row, (short)value);
                break;
            case <= 9:
                Put(data, row, (int)value);
                break;
            case <= 18:
                Put(data, row, (long)value);
                break;
            default:
                Put(data, row, value);
                break;
        }
    }

    // A UUID is a HUGEINT of which the top bit is turned over, so that it sorts like the text.
    static void PutUuid(byte* data, int row, Guid value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        Put(data, row, BinaryPrimitives.ReadInt128BigEndian(bytes) ^ Int128.MinValue);
    }

    static int Date(int days) => days switch
    {
        int.MaxValue => int.MaxValue,
        int.MinValue => -int.MaxValue,
        _ => days + PgTypes.EpochDays,
    };

    static long Timestamp(long micros) => micros switch
    {
        long.MaxValue => long.MaxValue,
        long.MinValue => -long.MaxValue,
        >= long.MaxValue - PgTypes.EpochMicros => throw new UnreadableValueException("a timestamp after the year 294246 is past DuckDB's last one"),
        _ => micros + PgTypes.EpochMicros,
    };

    static void PutBytes(IntPtr vector, int row, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            // The pointer of an empty span is null, which is not an empty string to everyone.
            byte none = 0;
            NativeMethods.Vectors.DuckDBUnsafeVectorAssignStringElementLength(vector, (ulong)row, bytes.IsEmpty ? &none : start, bytes.Length);
        }
    }
}
