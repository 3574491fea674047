using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Postgres.Destination;
using Rosetta.Postgres.Wire;
using Rosetta.Store.Destinations;

namespace Rosetta.Node;

/// <summary>Makes the destination of a definition, by its type.</summary>
static class DestinationFactory
{
    public static IDestination Make(DestinationDefinition definition) => definition.Type switch
    {
        DestinationType.Postgres => new PostgresDestination(EndpointOf(PostgresDestinationConfig.From(definition))),
        _ => throw new FaultException(new Fault(
            ErrorClass.Operator, $"Destination '{definition.Name}' is of type {definition.Type.ToName()}, which this version cannot write to.",
            "Use a POSTGRES destination.")),
    };

    static PgEndpoint EndpointOf(PostgresDestinationConfig config) => new()
    {
        Host = config.Host,
        Port = config.Port,
        Database = config.Database,
        User = config.User,
        Password = config.Password.Value,
        SslMode = PgSslModes.TryParse(config.SslMode, out var mode) ? mode : PgSslMode.Prefer,
    };
}
