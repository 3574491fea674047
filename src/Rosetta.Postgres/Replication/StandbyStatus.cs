using System.Buffers.Binary;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// What we tell the source (StandbyStatusUpdate). Positions are exclusive ends and never go back here: older servers would take a slot back with them.
/// </summary>
/// <param name="Written">Received.</param>
/// <param name="Flushed">Durable; the source may forget everything before it and moves the slot's confirmed_flush_lsn to it.</param>
/// <param name="Applied">Visible at the destinations.</param>
readonly record struct StandbyStatus(Lsn Written, Lsn Flushed, Lsn Applied)
{
    const int Length = 34;

    public StandbyStatus Advance(Lsn written, Lsn flushed, Lsn applied) =>
        new(Lsn.MaxOf(Written, written), Lsn.MaxOf(Flushed, flushed), Lsn.MaxOf(Applied, applied));

    /// <param name="clock">Microseconds since 2000-01-01 UTC.</param>
    public byte[] ToMessage(long clock, bool requestReply)
    {
        byte[] message = new byte[Length];
        message[0] = (byte)'r';
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(1), Written.Value);
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(9), Flushed.Value);
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(17), Applied.Value);
        BinaryPrimitives.WriteInt64BigEndian(message.AsSpan(25), clock);
        message[33] = requestReply ? (byte)1 : (byte)0;
        return message;
    }
}
