using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;

namespace Rosetta.Core.Lanes;

/// <summary>Makes of what the source sent what a destination is to have, between a lane and its destination.</summary>
public interface IGroupRewriter
{
    /// <summary>
    /// The batches as the destination is to see them, one for one, each held once for the caller. A table whose changes cannot be rewritten is stopped
    /// at the destination; the others go on.
    /// </summary>
    /// <exception cref="ReplayRequiredException">
    /// A table was stopped inside a transaction that came in several groups: that is rolled back and has to be read again.
    /// </exception>
    ValueTask<IReadOnlyList<ChangeBatch>> RewriteAsync(IReadOnlyList<ChangeBatch> batches, IDestinationSession session, CancellationToken cancellationToken);
}
