using Rosetta.Core.Positions;

namespace Rosetta.Core.Changes;

/// <summary>A source transaction's share of a batch. A large transaction spans several batches.</summary>
/// <param name="Xid">Transaction id from Begin.</param>
/// <param name="CommitLsn">Start of the commit record; it names the transaction.</param>
/// <param name="EndLsn">End of the commit record; <see cref="Lsn.Zero"/> while <see cref="EndsHere"/> is false.</param>
/// <param name="CommitTime">Commit time at the source, microseconds since 2000-01-01 UTC.</param>
/// <param name="First">Index of its first change in the batch.</param>
/// <param name="Count">How many changes it has in this batch.</param>
/// <param name="FirstOrdinal">Ordinal of that first change inside the transaction.</param>
public readonly record struct TransactionSpan(
    uint Xid, Lsn CommitLsn, Lsn EndLsn, long CommitTime, int First, int Count, long FirstOrdinal, bool StartsHere, bool EndsHere)
{
    /// <summary>2000-01-01 UTC, PostgreSQL's epoch.</summary>
    public static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public DateTimeOffset CommittedAt => Epoch.AddTicks(CommitTime * TimeSpan.TicksPerMicrosecond);
}
