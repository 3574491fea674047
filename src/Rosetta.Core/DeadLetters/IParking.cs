
namespace Rosetta.Core.DeadLetters;

/// <summary>Takes the payloads of changes that a destination is about to skip.</summary>
public interface IParking
{
    ParkingLimits Limits { get; }

    /// <summary>Keeps them; durable when it returns. Repeated after a crash with the same ones.</summary>
    /// <exception cref="DeadLetterStoreException">They are not kept: the destination rolls back and nothing is skipped.</exception>
    /// <exception cref="Errors.FencedException">A newer incarnation has the queue.</exception>
    ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken);
}

/// <summary>Where parking ends: a schema that does not fit is one failure, not a million.</summary>
/// <param name="Keys">Keys of a table that are told apart; past them all of its changes are parked.</param>
/// <param name="Failures">Failures of a table within <paramref name="Window"/>, at most.</param>
/// <param name="Share">The same as a share of its changes in one group, from <paramref name="ShareFrom"/> failures on.</param>
public sealed record ParkingLimits(int Keys, int Failures, TimeSpan Window, double Share, int ShareFrom)
{
    public static readonly ParkingLimits Default = new(100_000, 10_000, TimeSpan.FromMinutes(10), 0.5, 100);
}

/// <summary>Parks in a store, for one destination of one incarnation.</summary>
public sealed class StoreParking(IDeadLetterStore store, DeadLetterQueue queue, long epoch, ParkingLimits limits) : IParking
{
    bool _isOpen;

    public ParkingLimits Limits => limits;

    public async ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        // Not before it is needed: a destination with nothing to park does not depend on the store.
        if (!_isOpen)
            await store.OpenAsync(queue, epoch, cancellationToken).ConfigureAwait(false);
        _isOpen = true;
        await store.AppendAsync(queue, epoch, letters, cancellationToken).ConfigureAwait(false);
    }
}
