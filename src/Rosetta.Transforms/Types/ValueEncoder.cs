using System.Buffers;
using System.Buffers.Binary;
using Rosetta.Transforms.Engine;

namespace Rosetta.Transforms.Types;

/// <summary>Writes a computed value in the binary form of its PostgreSQL type.</summary>
static class ValueEncoder
{
    const int MaxNumeric = 8 + (2 * 12);

    /// <summary>Writes the value's bytes, without a length; how many.</summary>
    /// <exception cref="UnreadableValueException">PostgreSQL's type has no such value.</exception>
    public static int Encode(ComputedType type, in DuckVector vector, int row, IBufferWriter<byte> target)
    {
        switch (type.Kind)
        {
            case ComputedKind.Boolean:
                target.GetSpan(1)[0] = vector.Value<byte>(row);
                return Advance(target, 1);
            case ComputedKind.Int8:
                return Int16(target, vector.Value<sbyte>(row));
            case ComputedKind.UInt8:
                return Int16(target, vector.Value<byte>(row));
            case ComputedKind.Int16:
                return Int16(target, vector.Value<short>(row));
            case ComputedKind.UInt16:
                return Int32(target, vector.Value<ushort>(row));
            case ComputedKind.Int32:
                return Int32(target, vector.Value<int>(row));
            case ComputedKind.UInt32:
                return Int64(target, vector.Value<uint>(row));
            case ComputedKind.Int64:
                return Int64(target, vector.Value<long>(row));
            case ComputedKind.UInt64:
                return Numeric(target, vector.Value<ulong>(row), 0);
            case ComputedKind.Int128:
                return Numeric(target, vector.Value<Int128>(row), 0);
            case ComputedKind.Decimal:
                return Numeric(target, Decimal(type, vector, row), type.Scale);
            case ComputedKind.Float:
                var single = vector.Value<float>(row);
                BinaryPrimitives.WriteInt32BigEndian(target.GetSpan(4), float.IsNaN(single) ? PgTypes.SingleNaN : BitConverter.SingleToInt32Bits(single));
                return Advance(target, 4);
            case ComputedKind.Double:
                var real = vector.Value<double>(row);
                BinaryPrimitives.WriteInt64BigEndian(target.GetSpan(8), double.IsNaN(real) ? PgTypes.DoubleNaN : BitConverter.DoubleToInt64Bits(real));
                return Advance(target, 8);
            case ComputedKind.Uuid:
                BinaryPrimitives.WriteInt128BigEndian(target.GetSpan(16), vector.Value<Int128>(row) ^ System.Int128.MinValue);
                return Advance(target, 16);
            case ComputedKind.Date:
                return Int32(target, Date(vector.Value<int>(row)));
            case ComputedKind.Timestamp:
                return Int64(target, Timestamp(vector.Value<long>(row)));
            case ComputedKind.Time:
                return Int64(target, vector.Value<long>(row));
            case ComputedKind.Json:
                target.GetSpan(1)[0] = 1;
                return Advance(target, 1) + Bytes(target, Text(vector.Bytes(row)));
            case ComputedKind.Text:
                return Bytes(target, Text(vector.Bytes(row)));
            default:
                return Bytes(target, vector.Bytes(row));
        }
    }

    static Int128 Decimal(ComputedType type, in DuckVector vector, int row) => type.Width switch
    {
        <= 4 => vector.Value<short>(row),
        <= 9 => vector.Value<int>(row),
        <= 18 => vector.Value<long>(row),
        _ => vector.Value<Int128>(row),
    };

    static int Date(int days) => days switch
    {
        int.MaxValue => int.MaxValue,
        -int.MaxValue => int.MinValue,
        _ => (long)days - PgTypes.EpochDays is >= PgTypes.FirstDay and <= PgTypes.LastDay and var day
            ? (int)day
            : throw new UnreadableValueException("a computed date lies outside of what PostgreSQL's date holds (4713 BC to 5874897)"),
    };

    static long Timestamp(long micros)
    {
        if (micros is long.MaxValue or -long.MaxValue)
            return micros == long.MaxValue ? long.MaxValue : long.MinValue;
        var since = (Int128)micros - PgTypes.EpochMicros;
        return since >= PgTypes.FirstMicro && since <= PgTypes.LastMicro
            ? (long)since
            : throw new UnreadableValueException("a computed timestamp lies outside of what PostgreSQL's timestamp holds (4713 BC to 294276)");
    }

    static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> text) => text.Contains((byte)0)
        ? throw new UnreadableValueException("a computed text holds the character of code 0, which PostgreSQL's text cannot")
        : text;

    static int Numeric(IBufferWriter<byte> target, Int128 value, int scale) => Advance(target, NumericCodec.Write(value, scale, target.GetSpan(MaxNumeric)));

    static int Int16(IBufferWriter<byte> target, short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(target.GetSpan(2), value);
        return Advance(target, 2);
    }

    static int Int32(IBufferWriter<byte> target, int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(target.GetSpan(4), value);
        return Advance(target, 4);
    }

    static int Int64(IBufferWriter<byte> target, long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(target.GetSpan(8), value);
        return Advance(target, 8);
    }

    static int Bytes(IBufferWriter<byte> target, ReadOnlySpan<byte> bytes)
    {
        target.Write(bytes);
        return bytes.Length;
    }

    static int Advance(IBufferWriter<byte> target, int count)
    {
        target.Advance(count);
        return count;
    }
}
