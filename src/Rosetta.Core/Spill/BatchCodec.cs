using System.Buffers;
using System.Buffers.Binary;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Spill;

/// <summary>
/// Batches as bytes that outlive the process and its version, and back. A batch is a frame: head, relations, transactions, changes, tuples as they came in the stream;
/// numbers little-endian, a record of fixed size per transaction and per change. Offsets count from the end of the change before, so that rows of one size look alike
/// to whatever compresses them.
/// </summary>
public static class BatchCodec
{
    /// <summary>Of what is written here; nothing later can be read.</summary>
    public const byte Version = 1;

    const uint Mark = 0x00425352 | ((uint)Version << 24);
    const int HeadLength = 40;
    const int ChecksumEnd = 8;
    const int SpanLength = 45;
    const int ChangeLength = 18;
    const int Absent = int.MinValue;

    /// <summary>Adds a batch to what is gathered.</summary>
    /// <exception cref="OverflowException">It takes 2 GB or more.</exception>
    public static void Encode(ChangeBatch batch, ref PooledBytes output)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var start = output.Length;
        output.Append(HeadLength);
        foreach (var relation in batch.Relations)
            RelationCodec.Write(relation, ref output);
        var relations = output.Length - start - HeadLength;
        WriteSpans(batch.Transactions, output.Append(checked(batch.Transactions.Length * SpanLength)));
        WriteChanges(batch.Changes, output.Append(checked(batch.Changes.Length * ChangeLength)));
        output.Write(batch.Bytes);

        var frame = output.Array.AsSpan(start, output.Length - start);
        BinaryPrimitives.WriteUInt32LittleEndian(frame, Mark);
        BinaryPrimitives.WriteInt32LittleEndian(frame[8..], frame.Length);
        BinaryPrimitives.WriteInt32LittleEndian(frame[12..], batch.Relations.Count);
        BinaryPrimitives.WriteInt32LittleEndian(frame[16..], relations);
        BinaryPrimitives.WriteInt32LittleEndian(frame[20..], batch.Transactions.Length);
        BinaryPrimitives.WriteInt32LittleEndian(frame[24..], batch.Changes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(frame[28..], batch.Bytes.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[32..], batch.DeliveredUpTo.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[4..], Crc32C.Of(frame[ChecksumEnd..]));
    }

    /// <summary>The version that a payload was written in; null: it does not begin as one.</summary>
    public static byte? VersionOf(ReadOnlySpan<byte> payload) =>
        payload.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(payload) is var mark && (mark & 0xFFFFFF) == (Mark & 0xFFFFFF) ? (byte)(mark >> 24) : null;

    /// <summary>
    /// The batches of a part in their order, each held once for the caller. Equal relations of different batches, and of different calls, are mostly one object, so that
    /// what was planned for one of them serves all.
    /// </summary>
    /// <param name="payload">What any number of <see cref="Encode"/> have gathered.</param>
    /// <exception cref="FormatException">It is of another version, or damaged.</exception>
    public static IReadOnlyList<ChangeBatch> Decode(ReadOnlySpan<byte> payload)
    {
        var batches = new List<ChangeBatch>();
        try
        {
            while (!payload.IsEmpty)
            {
                batches.Add(DecodeFrame(payload, out var length));
                payload = payload[length..];
            }

            return batches;
        }
        catch (FormatException)
        {
            foreach (var batch in batches)
                batch.Release();
            throw;
        }
    }

    static ChangeBatch DecodeFrame(ReadOnlySpan<byte> payload, out int length)
    {
        length = 0;
        if (payload.Length < HeadLength)
            throw Damaged("it ends too early");
        var mark = BinaryPrimitives.ReadUInt32LittleEndian(payload);
        if ((mark & 0xFFFFFF) != (Mark & 0xFFFFFF))
            throw Damaged("it does not begin as one");
        if (mark != Mark)
            throw new FormatException($"Batches of version {mark >> 24} are not known here: this node is older than the one that wrote them.");
        length = BinaryPrimitives.ReadInt32LittleEndian(payload[8..]);
        if (length < HeadLength || length > payload.Length)
            throw Damaged("it ends too early");
        var frame = payload[..length];
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) != Crc32C.Of(frame[ChecksumEnd..]))
            throw Damaged("its checksum is another one");

        var relationCount = BinaryPrimitives.ReadInt32LittleEndian(frame[12..]);
        var relations = BinaryPrimitives.ReadInt32LittleEndian(frame[16..]);
        var transactions = BinaryPrimitives.ReadInt32LittleEndian(frame[20..]);
        var changes = BinaryPrimitives.ReadInt32LittleEndian(frame[24..]);
        var bytes = BinaryPrimitives.ReadInt32LittleEndian(frame[28..]);
        // Before anything is allocated by them: together they are what is there.
        if ((relationCount | relations | transactions | changes | bytes) < 0
            || HeadLength + (long)relations + ((long)transactions * SpanLength) + ((long)changes * ChangeLength) + bytes != length)
            throw Damaged("its parts are not of its length");
        return DecodeBody(
            frame[HeadLength..], relationCount, relations, transactions, changes, bytes, new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(frame[32..])));
    }

    static ChangeBatch DecodeBody(
        ReadOnlySpan<byte> body, int relationCount, int relationsLength, int transactionCount, int changeCount, int length, Lsn deliveredUpTo)
    {
        var relations = RelationCodec.Read(body[..relationsLength], relationCount);
        body = body[relationsLength..];
        var transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Max(1, transactionCount));
        var changes = ArrayPool<Change>.Shared.Rent(Math.Max(1, changeCount));
        try
        {
            ReadSpans(body, transactions.AsSpan(0, transactionCount), changeCount);
            body = body[(transactionCount * SpanLength)..];
            ReadChanges(body, changes.AsSpan(0, changeCount), relationCount, length);
        }
        catch (FormatException)
        {
            ArrayPool<TransactionSpan>.Shared.Return(transactions);
            ArrayPool<Change>.Shared.Return(changes);
            throw;
        }

        var bytes = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        body[(changeCount * ChangeLength)..].CopyTo(bytes);
        return new ChangeBatch(bytes, length, changes, changeCount, transactions, transactionCount, relations, deliveredUpTo);
    }

    static void WriteSpans(ReadOnlySpan<TransactionSpan> spans, Span<byte> output)
    {
        foreach (ref readonly var span in spans)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(output, span.Xid);
            BinaryPrimitives.WriteUInt64LittleEndian(output[4..], span.CommitLsn.Value);
            BinaryPrimitives.WriteUInt64LittleEndian(output[12..], span.EndLsn.Value);
            BinaryPrimitives.WriteInt64LittleEndian(output[20..], span.CommitTime);
            BinaryPrimitives.WriteInt32LittleEndian(output[28..], span.First);
            BinaryPrimitives.WriteInt32LittleEndian(output[32..], span.Count);
            BinaryPrimitives.WriteInt64LittleEndian(output[36..], span.FirstOrdinal);
            output[44] = (byte)((span.StartsHere ? 1 : 0) | (span.EndsHere ? 2 : 0));
            output = output[SpanLength..];
        }
    }

    static void ReadSpans(ReadOnlySpan<byte> input, Span<TransactionSpan> spans, int changeCount)
    {
        var next = 0;
        for (var i = 0; i < spans.Length; i++)
        {
            var (first, count) = (BinaryPrimitives.ReadInt32LittleEndian(input[28..]), BinaryPrimitives.ReadInt32LittleEndian(input[32..]));
            var ends = input[44];
            // Transactions share the changes out between them, in order; only the first may have begun earlier, only the last may go on.
            if (first != next || count < 0 || count > changeCount - first || ends > 3
                || (i > 0 && (ends & 1) == 0) || (i < spans.Length - 1 && (ends & 2) == 0))
                throw Damaged("its transactions are not in a row");
            next = first + count;
            spans[i] = new TransactionSpan(
                BinaryPrimitives.ReadUInt32LittleEndian(input), new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(input[4..])),
                new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(input[12..])), BinaryPrimitives.ReadInt64LittleEndian(input[20..]), first, count,
                BinaryPrimitives.ReadInt64LittleEndian(input[36..]), (ends & 1) != 0, (ends & 2) != 0);
            input = input[SpanLength..];
        }

        if (next != changeCount)
            throw Damaged("changes are outside of its transactions");
    }

    static void WriteChanges(ReadOnlySpan<Change> changes, Span<byte> output)
    {
        var end = 0;
        foreach (ref readonly var change in changes)
        {
            output[0] = (byte)change.Kind;
            output[1] = (byte)change.Flags;
            BinaryPrimitives.WriteInt32LittleEndian(output[2..], change.Relation);
            BinaryPrimitives.WriteInt32LittleEndian(output[6..], change.HasOld ? change.Old - end : Absent);
            BinaryPrimitives.WriteInt32LittleEndian(output[10..], change.HasNew ? change.New - end : Absent);
            BinaryPrimitives.WriteInt32LittleEndian(output[14..], change.End - end);
            end = change.End;
            output = output[ChangeLength..];
        }
    }

    static void ReadChanges(ReadOnlySpan<byte> input, Span<Change> changes, int relationCount, int length)
    {
        var end = 0;
        foreach (ref var change in changes)
        {
            var kind = input[0];
            var relation = BinaryPrimitives.ReadInt32LittleEndian(input[2..]);
            var old = Place(BinaryPrimitives.ReadInt32LittleEndian(input[6..]), end);
            var fresh = Place(BinaryPrimitives.ReadInt32LittleEndian(input[10..]), end);
            var behind = (long)end + BinaryPrimitives.ReadInt32LittleEndian(input[14..]);
            if (kind > (byte)ChangeKind.Filtered || (uint)relation >= (uint)relationCount || behind < 0 || behind > length || old < -1 || old > behind
                || fresh < -1 || fresh > behind)
                throw Damaged("a change is outside of it");
            end = (int)behind;
            change = new Change((ChangeKind)kind, (ChangeFlags)input[1], relation, (int)old, (int)fresh, end);
            input = input[ChangeLength..];
        }
    }

    /// <summary>-1: there is none; less, or more than the batch has: damaged.</summary>
    static long Place(int distance, int end) => distance == Absent ? -1 : (long)end + distance is var at && at < 0 ? -2 : at;

    static FormatException Damaged(string how) => new($"A batch is damaged: {how}.");
}
