using System.Buffers.Binary;
using Rosetta.Core.Changes;

namespace Rosetta.Core.Options;

/// <summary>Writes the values of the columns that options add, in PostgreSQL's binary form and in the order of <see cref="TableOptions.Columns"/>.</summary>
static class OptionValues
{
    static readonly byte[] True = [1];
    static readonly byte[] False = [0];
    static readonly byte[] Insert = "insert"u8.ToArray();
    static readonly byte[] Update = "update"u8.ToArray();
    static readonly byte[] Delete = "delete"u8.ToArray();

    /// <param name="kind">What the source did.</param>
    public static void Write(ref PooledBytes output, TableOptions options, ChangeKind kind, in TransactionSpan transaction)
    {
        if (options is { SoftDeletes: true, MarksByFlag: true })
        {
            output.WriteValue(ValueKind.Binary, kind == ChangeKind.Delete ? True : False);
        }
        else if (options.SoftDeletes)
        {
            if (kind == ChangeKind.Delete)
                WriteInt64(ref output, transaction.CommitTime);
            else
                output.WriteValue(ValueKind.Null, default);
        }

        if (options.CommitTimeColumn is not null)
            WriteInt64(ref output, transaction.CommitTime);
        if (options.LsnColumn is not null)
            WriteInt64(ref output, (long)transaction.CommitLsn.Value);
        if (options.OperationColumn is not null)
            output.WriteValue(ValueKind.Binary, kind switch { ChangeKind.Insert => Insert, ChangeKind.Update => Update, _ => Delete });
    }

    // timestamptz is microseconds since 2000-01-01 on the wire, as commit times are; pg_lsn is its number.
    static void WriteInt64(ref PooledBytes output, long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        output.WriteValue(ValueKind.Binary, bytes);
    }
}
