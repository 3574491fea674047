using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Rosetta.Api.Problems;
using Rosetta.Store;

namespace Rosetta.Api.Hosting;

/// <summary>
/// While the config database is away every request below <c>/api/v1</c> is answered 503, whatever it asks for: one rule that a client can rely on.
/// It costs a round trip to a database next door.
/// </summary>
static class ConfigDatabaseGate
{
    public const string NotOpened = "The node waits for the config database. Its log says why; try again in a moment.";

    const string Away = "The config database does not answer. Try again in a moment; pipelines go on meanwhile.";

    public static void UseConfigDatabaseGate(this IApplicationBuilder app)
    {
        var access = app.ApplicationServices.GetRequiredService<ConfigStoreAccess>();
        app.Use(async (context, next) =>
        {
            if (context.Request.Path.StartsWithSegments("/api/v1"))
            {
                var problem = access.Current is null ? NotOpened
                    : await access.Database.IsAvailableAsync(context.RequestAborted).ConfigureAwait(false) ? null
                    : Away;
                if (problem is not null)
                {
                    await Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, problem).ConfigureAwait(false);
                    return;
                }
            }

            await next(context).ConfigureAwait(false);
        });
    }
}
