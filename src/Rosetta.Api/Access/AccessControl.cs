using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Problems;

namespace Rosetta.Api.Access;

/// <summary>
/// Lets a request to <c>/api</c> or <c>/metrics</c> pass that has a key of a sufficient role. Without configured keys every request passes that was made
/// to this machine by name and does not come from another site's page in a browser.
/// </summary>
static class AccessControl
{
    const string CallerItem = "rosetta.caller";

    static readonly Caller Anybody = new("loopback", ApiRole.Admin);

    public static Caller CallerOf(HttpContext context) => (Caller)context.Items[CallerItem]!;

    public static void UseAccessControl(this IApplicationBuilder app, ApiKeys keys) => app.Use(async (context, next) =>
    {
        if (!context.Request.Path.StartsWithSegments("/api") && !context.Request.Path.StartsWithSegments("/metrics"))
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        var (status, detail) = Decide(context, keys, out var caller);
        if (status == StatusCodes.Status200OK)
        {
            context.Items[CallerItem] = caller;
            await next(context).ConfigureAwait(false);
            return;
        }

        if (status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer";
        await Problem.WriteAsync(context, status, detail).ConfigureAwait(false);
    });

    static (int Status, string Detail) Decide(HttpContext context, ApiKeys keys, out Caller caller)
    {
        caller = Anybody;
        var request = context.Request;
        if (!keys.Any) return IsLocal(request);

        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return (StatusCodes.Status401Unauthorized, "A key is needed. Send the header Authorization: Bearer <key>, with a key of ROSETTA_API_KEYS.");
        if (keys.Find(header["Bearer ".Length..].Trim()) is not { } known)
            return (StatusCodes.Status401Unauthorized, "The key is not known. Send one of ROSETTA_API_KEYS.");

        caller = known;
        var required = context.GetEndpoint()?.Metadata.GetMetadata<RequiredRole>()?.Role
            ?? (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? ApiRole.Viewer : ApiRole.Admin);
        return known.Role >= required
            ? (StatusCodes.Status200OK, "")
            : (StatusCodes.Status403Forbidden, $"This needs the role {Name(required)}, and the key '{known.Name}' has the role {Name(known.Role)}.");
    }

    // Without keys loopback is the fence; a page of another site, open in a browser on this machine, must not climb it.
    static (int Status, string Detail) IsLocal(HttpRequest request)
    {
        if (!IsLoopbackName(request.Host.Host))
        {
            return (StatusCodes.Status403Forbidden,
                $"Without keys the API answers requests to localhost only, not to '{request.Host.Host}'. Configure ROSETTA_API_KEYS.");
        }

        var origin = request.Headers.Origin.ToString();
        if (origin.Length > 0 && !(Uri.TryCreate(origin, UriKind.Absolute, out var site) && site.Authority == request.Host.Value))
            return (StatusCodes.Status403Forbidden, $"Without keys the API answers no request from a page of another site ({origin}). Configure ROSETTA_API_KEYS.");
        return (StatusCodes.Status200OK, "");
    }

    static bool IsLoopbackName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    static string Name(ApiRole role) => role.ToString().ToLowerInvariant();
}
