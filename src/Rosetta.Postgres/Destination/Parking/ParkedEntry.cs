using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>A change that the transaction under way skips.</summary>
/// <param name="Key">Of the row it is about, in the form of <see cref="Fold.Tuples.WriteKey"/>; null when it has none that can be told apart.</param>
/// <param name="MovedTo">The row's key after an update that changes it.</param>
/// <param name="Failure">Null: it waits behind another one.</param>
sealed record ParkedEntry(TablePlan Plan, Position At, uint Xid, long CommitTime, ChangeKind Kind, byte[] Payload, byte[]? Key, byte[]? MovedTo, DeadLetterFailure? Failure);
