using System.Globalization;

namespace Rosetta.Testing.Workloads;

/// <summary>What a workload has done so far.</summary>
/// <param name="Transactions">Committed for certain.</param>
/// <param name="Changes">Rows changed by those.</param>
/// <param name="CounterIncrements">Of these, rows of the counter table: its sum lies between this and this plus what is unknown.</param>
/// <param name="Aborted">Rolled back by the server: deadlock, conflict between writers.</param>
/// <param name="Unknown">The connection broke before the answer to COMMIT: committed or not.</param>
/// <param name="UnknownCounterIncrements">Statements on the counter table in those.</param>
/// <param name="Reconnects">Connections opened after the first of each writer.</param>
public sealed record WorkloadCounts(
    long Transactions, long Changes, long CounterIncrements, long Aborted, long Unknown, long UnknownCounterIncrements, long Reconnects)
{
    public static WorkloadCounts None { get; } = new(0, 0, 0, 0, 0, 0, 0);

    public static WorkloadCounts operator +(WorkloadCounts a, WorkloadCounts b) => a.Add(b);

    public WorkloadCounts Add(WorkloadCounts other) => new(
        Transactions + other.Transactions, Changes + other.Changes, CounterIncrements + other.CounterIncrements, Aborted + other.Aborted,
        Unknown + other.Unknown, UnknownCounterIncrements + other.UnknownCounterIncrements, Reconnects + other.Reconnects);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Transactions} transactions, {Changes} changes committed; {Aborted} aborted, {Unknown} unknown, {Reconnects} reconnects");
}
