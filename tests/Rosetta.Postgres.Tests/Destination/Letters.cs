using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Keeps what is parked as a store would: a position once.</summary>
public sealed class Letters : IParking
{
    readonly Dictionary<(TableName, Position), DeadLetter> _kept = [];

    public ParkingLimits Limits => ParkingLimits.Default;

    public bool Refuse { get; set; }

    public IReadOnlyList<DeadLetter> All => [.. _kept.Values];

    public ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        if (Refuse)
            throw new DeadLetterStoreException(new Fault(ErrorClass.Transient, "The store is away.", null));
        foreach (var letter in letters)
            _kept.TryAdd((letter.Table, letter.At), letter);
        return ValueTask.CompletedTask;
    }
}
