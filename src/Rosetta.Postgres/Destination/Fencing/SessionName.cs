using System.Globalization;
using Rosetta.Core.Destinations;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>
/// The application_name of our sessions at a destination, by which a later incarnation finds the older ones:
/// <c>rosetta/&lt;installation&gt;/p&lt;pipeline&gt;/&lt;generation&gt;/e&lt;epoch&gt;</c>, UUIDs cut to their first 8 digits (63 bytes is all there is).
/// </summary>
static class SessionName
{
    public static string Prefix(DestinationOpening opening) =>
        string.Create(CultureInfo.InvariantCulture, $"rosetta/{Short(opening.Installation)}/p{opening.PipelineId}/{Short(opening.Generation)}/e");

    public static string Of(DestinationOpening opening) => string.Create(CultureInfo.InvariantCulture, $"{Prefix(opening)}{opening.Epoch}");

    static string Short(Guid id) => id.ToString("N")[..8];
}
