using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Hosting;

/// <summary>The two listeners: the API's, and one for health and metrics alone, which may be opened to where the API must not be seen.</summary>
static class ApiListening
{
    const string HealthOnly = "rosetta.health-only";

    public static void Listen(IWebHostBuilder host, ApiSettings settings)
    {
        host.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            foreach (var address in settings.Addresses)
            {
                var (port, healthPort) = (
                    Choose(address, settings.Port, ApiSettings.DefaultPort), Choose(address, settings.HealthPort, ApiSettings.DefaultHealthPort));
                if (address.Equals(IPAddress.Any))
                {
                    kestrel.ListenAnyIP(port);
                    kestrel.ListenAnyIP(healthPort, Mark);
                }
                else
                {
                    kestrel.Listen(address, port);
                    kestrel.Listen(address, healthPort, Mark);
                }
            }
        });
    }

    /// <summary>On the health listener there is nothing but health and metrics.</summary>
    public static void UseHealthListener(this IApplicationBuilder app) => app.Use((context, next) =>
        context.Features.Get<IConnectionItemsFeature>()?.Items.ContainsKey(HealthOnly) == true
        && !context.Request.Path.StartsWithSegments("/health") && !context.Request.Path.StartsWithSegments("/metrics")
            ? Problem.WriteAsync(context, StatusCodes.Status404NotFound, "This port serves /health/live, /health/ready and /metrics only; the API has a port of its own.")
            : next(context));

    static void Mark(ListenOptions listener) => listener.Use(next => connection =>
    {
        connection.Items[HealthOnly] = true;
        return next(connection);
    });

    /// <summary>The set port, or the default one, or 0 (any free one) when nobody set it and it is taken. The server logs what it took.</summary>
    static int Choose(IPAddress address, int? port, int byDefault)
    {
        if (port is { } wanted) return wanted;
        try
        {
            using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(address, byDefault));
            return byDefault;
        }
        catch (SocketException)
        {
            return 0;
        }
    }
}
